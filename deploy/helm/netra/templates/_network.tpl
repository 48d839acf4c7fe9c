{{/* Rules of network policies: who may speak to whom. */}}

{{- define "netra.policy" -}}
{{- $root := index . 0 -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "netra.meta" (list $root (index . 1) (printf "netra-%s-policy" (index . 1))) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "netra.selector" (list $root (index . 1)) | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{/* A component of this release: (list $ "backend") */}}
{{- define "netra.peer" -}}
podSelector:
  matchLabels:
    {{- include "netra.selector" . | nindent 4 }}
{{- end }}

{{/* Pods of another namespace: {namespace, labels} */}}
{{- define "netra.outsider" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ .namespace }}
podSelector:
  matchLabels:
    {{- toYaml .labels | nindent 4 }}
{{- end }}

{{- define "netra.egress.dns" -}}
- to:
    - {{- include "netra.outsider" .Values.networkPolicy.dns | nindent 6 }}
    {{- range .Values.networkPolicy.dns.cidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

{{/* A store, in the cluster or outside of it: (list $ "postgresql" 5432 …) */}}
{{- define "netra.egress.store" -}}
{{- $root := index . 0 -}}
{{- $store := index . 1 -}}
- to:
    {{- if (get $root.Values $store).inCluster }}
    - {{- include "netra.peer" (list $root $store) | nindent 6 }}
    {{- else }}
    {{- range $root.Values.networkPolicy.storeCidrs }}
    - ipBlock: {cidr: {{ . }}}
    {{- end }}
    {{- end }}
  ports:
    {{- range slice . 2 }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{- define "netra.egress.postgresql" -}}
{{- include "netra.egress.store" (list . "postgresql" .Values.postgresql.port) }}
{{- end }}
{{- define "netra.egress.redis" -}}
{{- include "netra.egress.store" (list . "redis" .Values.redis.port) }}
{{- end }}
{{- define "netra.egress.clickhouse" -}}
{{- include "netra.egress.store" (list . "clickhouse" .Values.clickhouse.ports.http) }}
{{- end }}

{{/* Prometheus: (list $ port) */}}
{{- define "netra.ingress.prometheus" -}}
- from:
    - {{- include "netra.outsider" (index . 0).Values.networkPolicy.prometheus | nindent 6 }}
    {{- range (index . 0).Values.networkPolicy.managedPrometheus }}
    - {{- include "netra.outsider" . | nindent 6 }}
    {{- end }}
  ports:
    - {protocol: TCP, port: {{ index . 1 }}}
{{- end }}

{{- define "netra.ingress.controller" -}}
- from:
    - {{- include "netra.outsider" (index . 0).Values.networkPolicy.ingressController | nindent 6 }}
  ports:
    - {protocol: TCP, port: {{ index . 1 }}}
{{- end }}

{{/* The collector of traces, where there is one. */}}
{{- define "netra.egress.collector" -}}
{{- if .Values.tracing.endpoint }}
- to:
    - {{- include "netra.outsider" .Values.networkPolicy.collector | nindent 6 }}
  ports:
    - {protocol: TCP, port: {{ .Values.networkPolicy.collector.port }}}
{{- end }}
{{- end }}
