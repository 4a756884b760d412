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

{{/* The keys to a private registry; they are Secrets of the release's namespace. */}}
{{- define "consilia.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where and how a component's pods run: its own values. */}}
{{- define "consilia.placement" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
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

{{/* Where a browser reaches that; without an ingress, through the port that the notes say to forward. */}}
{{- define "consilia.mlflowPage" -}}
{{- if .Values.mlflow.uri -}}
{{ .Values.mlflow.uri }}
{{- else if and .Values.mlflow.enabled .Values.mlflow.ingress.enabled -}}
http{{ if .Values.mlflow.ingress.tlsSecret }}s{{ end }}://{{ .Values.mlflow.ingress.host }}
{{- else if .Values.mlflow.enabled -}}
http://localhost:5000
{{- end -}}
{{- end -}}

{{/* Whether the release has an MLflow server of its own. */}}
{{- define "consilia.ownMlflow" -}}
{{- if and .Values.mlflow.enabled (not .Values.mlflow.uri) }}yes{{ end -}}
{{- end -}}

{{/* Whether that server keeps anything on a volume. */}}
{{- define "consilia.mlflowVolume" -}}
{{- if not (and .Values.mlflow.backendStore.secret .Values.mlflow.artifacts.destination) }}yes{{ end -}}
{{- end -}}

{{/* The port of the S3 API, from its address. */}}
{{- define "consilia.s3Port" -}}
{{- $address := urlParse .Values.mlflow.artifacts.endpoint -}}
{{- $default := ternary "80" "443" (eq $address.scheme "http") -}}
{{- regexFind ":[0-9]+$" $address.host | trimPrefix ":" | default $default -}}
{{- end -}}
