{{/* A pod that runs `netra backup`: (list $ arguments) */}}
{{- define "netra.backup.pod" -}}
{{- $root := index . 0 -}}
{{- $own := $root.Values.backup -}}
{{ include "netra.podStart" (list $root "backup") }}
terminationGracePeriodSeconds: 60
containers:
  - name: backup
    {{- include "netra.container" (list $root "netra-backup") | nindent 4 }}
    command: {{ concat (list "netra" "backup") (index . 1) | toJson }}
    envFrom:
      - configMapRef: {name: netra-settings}
    env:
      {{- include "netra.secretEnv" (list $root "database" "redis" "clickhouse") | nindent 6 }}
      - {name: NETRA_BACKUP_URL, value: {{ required "backup.url: where backups are kept, s3://bucket/prefix" $own.url | quote }}}
      - {name: NETRA_BACKUP_KEEP_DAYS, value: {{ $own.keepDays | toString | quote }}}
      - {name: NETRA_BACKUP_SCRATCH_DIR, value: /var/scratch/netra}
      {{- if $own.clickhouseClaim }}
      - {name: NETRA_BACKUP_CLICKHOUSE_FOLDER, value: /var/backups/clickhouse}
      {{- end }}
    resources:
      {{- toYaml $own.resources | nindent 6 }}
    volumeMounts:
      {{- include "netra.writable" $root | nindent 6 }}
      - {name: scratch, mountPath: /var/scratch/netra}
      {{- if $own.clickhouseClaim }}
      - {name: clickhouse, mountPath: /var/backups/clickhouse}
      {{- end }}
volumes:
  {{- include "netra.writableVolumes" $root | nindent 2 }}
  - name: scratch
    ephemeral:
      volumeClaimTemplate:
        spec:
          accessModes: [ReadWriteOnce]
          resources: {requests: {storage: {{ $own.scratchSize }}}}
  {{- if $own.clickhouseClaim }}
  - name: clickhouse
    persistentVolumeClaim: {claimName: {{ $own.clickhouseClaim }}}
  {{- end }}
{{- end }}
