{{/* What all pods have in common. */}}

{{/* The standard "restricted", and beyond it a root file system that nobody writes to. */}}
{{- define "netra.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ index . 0 }}
runAsGroup: {{ index . 1 }}
fsGroup: {{ index . 1 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "netra.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The start of a pod's spec: (list $ "backend"), or (list $ "backup" account) for another account
     than that of the images. */}}
{{- define "netra.podStart" -}}
{{- $root := index . 0 -}}
serviceAccountName: netra-{{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- with gt (len .) 2 | ternary (last .) $root.Values.podSecurity }}
  {{- include "netra.podSecurity" (list .userId .groupId) | nindent 2 }}
  {{- end }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Pods of a component are laid over zones, then over nodes. */}}
{{- define "netra.spread" -}}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "netra.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}

{{/* How many pods: with an autoscaler its number, which is the live one; a release that set another
     would undo its work. Of a Deployment that is new, or a standby's, `replicas` is where it begins:
     (list $ "netra-backend" values) */}}
{{- define "netra.replicas" -}}
{{- $root := index . 0 -}}
{{- $own := index . 2 -}}
{{- $live := lookup "apps/v1" "Deployment" $root.Release.Namespace (index . 1) -}}
{{- $now := dig "spec" "replicas" 0 ($live | default dict) | int -}}
{{- and $own.autoscaling.enabled (gt $now 0) | ternary $now (int $own.replicas) -}}
{{- end }}

{{- define "netra.container" -}}
{{- $root := index . 0 -}}
image: {{ include "netra.image" (list $root (index . 1)) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
securityContext:
  {{- include "netra.containerSecurity" . | nindent 2 }}
{{- end }}

{{/* The settings that all of Netra's own processes share. */}}
{{- define "netra.settings" -}}
{{- $own := dict
  "NETRA_ENV" .Values.environment
  "NETRA_API_HOST" "0.0.0.0"
  "NETRA_API_PORT" (include "netra.port.api" .)
  "NETRA_API_ALLOWED_ORIGINS" (printf "https://%s" (include "netra.host.app" .))
  "NETRA_API_TRUSTED_PROXIES" (join "," .Values.ingress.trustedCidrs)
  "NETRA_API_SPOOL_DIR" "/var/spool/netra"
  "NETRA_WORKERS_CPU_CONCURRENCY" (toString .Values.workers.cpu.concurrency)
  "NETRA_WORKERS_GPU_CONCURRENCY" (toString .Values.workers.gpu.concurrency)
  "NETRA_METRICS_HOST" "0.0.0.0"
  "NETRA_METRICS_PORT" (include "netra.port.metrics" .)
  "NUMBA_CACHE_DIR" "/var/cache/netra"
  "HOME" "/tmp"
  "PYTHONUNBUFFERED" "1"
  "OMP_NUM_THREADS" "1"
  "OPENBLAS_NUM_THREADS" "1"
  "MALLOC_ARENA_MAX" "2"
-}}
{{- with .Values.tracing.endpoint }}
{{- $_ := set $own "NETRA_TRACING_ENDPOINT" . }}
{{- end }}
{{- merge $own .Values.settings | toYaml }}
{{- end }}

{{/* Stores by the Secret's URLs: (list $ "database" "redis" "clickhouse" "jwt") */}}
{{- define "netra.secretEnv" -}}
{{- $root := first . -}}
{{- $known := dict
  "database" (list "DATABASE_URL" "database-url")
  "redis" (list "REDIS_URL" "redis-url")
  "clickhouse" (list "CLICKHOUSE_URL" "clickhouse-url")
  "jwt" (list "JWT_SECRET_KEY" "jwt-secret")
-}}
{{- range rest . }}
{{- $named := get $known . }}
- name: {{ first $named }}
  valueFrom: {secretKeyRef: {name: {{ $root.Values.secrets.name }}, key: {{ last $named }}}}
{{- end }}
{{- end }}

{{/* New settings start new pods. */}}
{{- define "netra.checksum" -}}
checksum/settings: {{ include "netra.settings" . | sha256sum }}
{{- end }}

{{/* Prometheus finds pods by these: (list $ port) */}}
{{- define "netra.scrape" -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ . | quote }}
prometheus.io/path: /metrics
{{- end }}

{{/* Folders that may be written to. */}}
{{- define "netra.writable" -}}
- {name: tmp, mountPath: /tmp}
- {name: cache, mountPath: /var/cache/netra}
{{- end }}

{{- define "netra.writableVolumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 1Gi}}
- {name: cache, emptyDir: {sizeLimit: 512Mi}}
{{- end }}
