{{/* How many pods of a pool the queue could keep busy now: what runs, was admitted or could be,
     divided by the slots of a pod. Each state has its own partial index; of the ready ones no more
     are counted than the largest pool has slots, so that a queue of a million costs no more than
     one of a thousand: (list "cpu" pool-values) */}}
{{- define "netra.podsWanted" -}}
{{- $pool := index . 0 -}}
{{- $own := index . 1 -}}
{{- $slots := int $own.concurrency -}}
{{- $running := printf "(SELECT count(*) FROM stages WHERE pool = '%s' AND state = 'running')" $pool -}}
{{- $admitted := printf "(SELECT count(*) FROM stages WHERE pool = '%s' AND state = 'admitted')" $pool -}}
{{- $ready := printf "SELECT 1 FROM stages WHERE pool = '%s' AND state = 'ready' AND run_at <= now() LIMIT %d" $pool (mul $slots $own.autoscaling.max) -}}
SELECT ceil(({{ $running }} + {{ $admitted }} + (SELECT count(*) FROM ({{ $ready }}) AS waiting)) / {{ $slots }}.0)::int
{{- end }}
