{{/* What a schema cannot say, refused with the reason. */}}

{{/* Memory in MiB: "8Gi", "512Mi" */}}
{{- define "netra.mebibytes" -}}
{{- if hasSuffix "Gi" . }}{{ mul (trimSuffix "Gi" . | int) 1024 }}
{{- else if hasSuffix "Mi" . }}{{ trimSuffix "Mi" . | int }}
{{- else }}{{ fail (printf "memory %q: say it in Mi or Gi, such as 4Gi" .) }}
{{- end }}
{{- end }}

{{- define "netra.checks" -}}
{{- range $pool, $own := .Values.workers }}
{{- $limit := include "netra.mebibytes" $own.resources.limits.memory | int }}
{{- $needed := add (mul (int $own.concurrency) (int $own.stageMemoryMb)) 512 | int }}
{{- if gt $needed $limit }}
{{- fail (printf "workers.%s: %d stages of stageMemoryMb %d and 512 for the worker itself are %d Mi, over resources.limits.memory %s: the kernel would kill the whole pod before one stage is stopped" $pool (int $own.concurrency) (int $own.stageMemoryMb) $needed $own.resources.limits.memory) }}
{{- end }}
{{- if gt (int $own.autoscaling.min) (int $own.autoscaling.max) }}
{{- fail (printf "workers.%s.autoscaling: min %d is over max %d" $pool (int $own.autoscaling.min) (int $own.autoscaling.max)) }}
{{- end }}
{{- end }}
{{- range $name, $own := dict "backend" .Values.backend "frontend" .Values.frontend }}
{{- if gt (int $own.autoscaling.min) (int $own.autoscaling.max) }}
{{- fail (printf "%s.autoscaling: min %d is over max %d" $name (int $own.autoscaling.min) (int $own.autoscaling.max)) }}
{{- end }}
{{- end }}
{{- if and .Values.backup.enabled (not .Values.backup.clickhouseClaim) }}
{{- range .Values.backup.schedule }}
{{- if and (eq (first .arguments) "take") (or (has "clickhouse" .arguments) (has "all" .arguments)) }}
{{- fail (printf "backup.clickhouseClaim: %q of backup.schedule needs the folder that ClickHouse's server writes its backups to; name its claim, or leave that backup out of the schedule" .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- $redis := .Values.redis.maxmemory }}
{{- $held := hasSuffix "gb" $redis | ternary (mul (trimSuffix "gb" $redis | int) 1024) (trimSuffix "mb" $redis | int) | int }}
{{- if gt $held (include "netra.mebibytes" .Values.redis.resources.limits.memory | int) }}
{{- fail (printf "redis.maxmemory %s is over its resources.limits.memory %s" $redis .Values.redis.resources.limits.memory) }}
{{- end }}
{{- end }}
