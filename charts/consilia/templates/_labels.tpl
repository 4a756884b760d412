{{/* What every object of the release is labelled with; the argument is a list: the context, the component. */}}
{{- define "consilia.labels" -}}
{{- $context := index . 0 -}}
{{ include "consilia.selector" . }}
app.kubernetes.io/version: {{ $context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $context.Release.Service }}
app.kubernetes.io/part-of: consilia
helm.sh/chart: {{ $context.Chart.Name }}-{{ $context.Chart.Version }}
{{- end -}}

{{/* What selects the pods of a component. */}}
{{- define "consilia.selector" -}}
app.kubernetes.io/name: consilia
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}
