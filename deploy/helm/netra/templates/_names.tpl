{{/* Names and ports: each once. Components: backend, frontend, worker-cpu, worker-gpu, scheduler,
     flower, migrate; stores: postgresql, redis, clickhouse. */}}

{{/* ClickHouse's server and the pods of backups share it; the same path in both. */}}
{{- define "netra.folder.clickhouseBackups" -}}/var/backups/clickhouse{{- end }}

{{- define "netra.port.api" -}}8000{{- end }}
{{- define "netra.port.frontend" -}}3000{{- end }}
{{- define "netra.port.flower" -}}5555{{- end }}
{{- define "netra.port.metrics" -}}9100{{- end }}

{{/* Labels of a component: (list $ "backend") */}}
{{- define "netra.labels" -}}
{{- $root := index . 0 -}}
{{ include "netra.selector" . }}
app.kubernetes.io/part-of: netra
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ include "netra.tag" $root | quote }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "netra.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: netra
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "netra.meta" -}}
{{- $root := index . 0 -}}
name: {{ index . 2 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "netra.labels" (list $root (index . 1)) | nindent 2 }}
{{- end }}

{{- define "netra.tag" -}}
{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* An image of Netra: (list $ "netra-backend") */}}
{{- define "netra.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.registry }}/{{ index . 1 }}:{{ include "netra.tag" $root }}
{{- end }}

{{- define "netra.host.app" -}}app.{{ .Values.domain }}{{- end }}
{{- define "netra.host.api" -}}api.{{ .Values.domain }}{{- end }}
