{{/* The image of a component: a list of the context and the component. */}}
{{- define "consilia.image" -}}
{{- $context := index . 0 -}}
{{ $context.Values.image.registry }}/consilia-{{ index . 1 }}:{{ $context.Values.image.tag | default $context.Chart.AppVersion }}
{{- end -}}

{{/* As restricted as pods can be. */}}
{{- define "consilia.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "consilia.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a component's pods may run: its own values. */}}
{{- define "consilia.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where runs are tracked; empty where they are not. */}}
{{- define "consilia.mlflowUri" -}}
{{- if .Values.mlflow.uri -}}
{{ .Values.mlflow.uri }}
{{- else if .Values.mlflow.enabled -}}
http://consilia-mlflow.{{ .Release.Namespace }}.svc:5000
{{- end -}}
{{- end -}}

{{/* Whether the release has an MLflow server of its own. */}}
{{- define "consilia.ownMlflow" -}}
{{- if and .Values.mlflow.enabled (not .Values.mlflow.uri) }}yes{{ end -}}
{{- end -}}
