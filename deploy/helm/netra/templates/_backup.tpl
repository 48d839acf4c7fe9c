{{/* A pod that runs `netra backup`: (list $ arguments) */}}
{{- define "netra.backup.pod" -}}
{{- $root := index . 0 -}}
{{- $own := $root.Values.backup -}}
{{- /* Neither could read or delete what the other wrote in the folder that they share. */}}
{{- $account := $own.clickhouseClaim | empty | ternary $root.Values.podSecurity $root.Values.clickhouse.podSecurity }}
{{ include "netra.podStart" (list $root "backup" $account) }}
terminationGracePeriodSeconds: 60
containers:
  - name: backup
    {{- include "netra.container" (list $root "netra-backup") | nindent 4 }}
    command: {{ concat (list "netra" "backup") (index . 1) | toJson }}
    envFrom:
      - configMapRef: {name: netra-settings}
      {{- with $own.secret }}
      - secretRef: {name: {{ . }}}
      {{- end }}
    env:
      {{- include "netra.secretEnv" (list $root "database" "redis" "clickhouse") | nindent 6 }}
      - {name: NETRA_BACKUP_URL, value: {{ required "backup.url: where backups are kept, s3://bucket/prefix" $own.url | quote }}}
      - {name: NETRA_BACKUP_KEEP_DAYS, value: {{ $own.keepDays | toString | quote }}}
      - {name: NETRA_BACKUP_SCRATCH_DIR, value: /var/scratch/netra}
      {{- if $own.clickhouseClaim }}
      - {name: NETRA_BACKUP_CLICKHOUSE_FOLDER, value: {{ include "netra.folder.clickhouseBackups" $root }}}
      {{- end }}
    {{- if eq (first (index . 1)) "follow" }}
    {{- /* A restart mends no store and no bucket: what does not get through is an alert's. */}}
    livenessProbe:
      exec: {command: [netra, health, backup, --alive]}
      initialDelaySeconds: 60
      periodSeconds: 30
      timeoutSeconds: 10
    {{- end }}
    resources:
      {{- toYaml $own.resources | nindent 6 }}
    volumeMounts:
      {{- include "netra.writable" $root | nindent 6 }}
      - {name: scratch, mountPath: /var/scratch/netra}
      {{- if $own.clickhouseClaim }}
      - {name: clickhouse, mountPath: {{ include "netra.folder.clickhouseBackups" $root }}}
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
