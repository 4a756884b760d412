{{/* An Ingress of a component: a list of the context, the component, its values, its port. */}}
{{- define "consilia.ingress" -}}
{{- $context := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index . 2 -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: consilia-{{ $component }}
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "consilia.labels" (list $context $component) | nindent 4 }}
  {{- with $values.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $values.className }}
  ingressClassName: {{ . }}
  {{- end }}
  rules:
    - host: {{ required (printf "%s.ingress.enabled needs %s.ingress.host: the name under which people reach it" $component $component) $values.host }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: consilia-{{ $component }}
                port: {name: http}
  {{- with $values.tlsSecret }}
  tls:
    - hosts: [{{ $values.host }}]
      secretName: {{ . }}
  {{- end }}
{{- end -}}
