{{- define "belay.name" -}}
{{- if contains "belay" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-belay" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "belay.account" -}}
{{ .Values.serviceAccount.name | default (include "belay.name" .) }}
{{- end }}

{{- define "belay.selector" -}}
app.kubernetes.io/name: belay
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "belay.labels" -}}
{{ include "belay.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "belay.image" -}}
{{- with .Values.image -}}
{{- if not .repository }}{{ fail "image.repository: there is no public image; build it from the Dockerfile, push it, and name it here" }}{{ end -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else if .tag }}{{ .repository }}:{{ .tag }}{{ else }}{{ fail "image.tag or image.digest: name what you pushed" }}{{ end -}}
{{- end -}}
{{- end }}

{{- define "belay.host" -}}
{{ .Values.ingress.host | default (get (urlParse .Values.config.public_url) "hostname") }}
{{- end }}

{{/* The keys of belay.yaml that are secrets. deploy/helm/check holds them against Belay. */}}
{{- define "belay.secretKeys" -}}
entra.client_secret slack.bot_token slack.signing_secret slack.next_signing_secret slack.client_secret teams.client_secret store.postgres_url telemetry.headers siem.splunk.token siem.webhook.secret siem.webhook.next_secret siem.otlp.header
{{- end }}

{{/* The keys that the chart sets itself. */}}
{{- define "belay.ownKeys" -}}
listen private_listen data stop_timeout keys.file
{{- end }}

{{/* What the schema says too, for whoever skips it. */}}
{{- define "belay.check" -}}
{{- $v := .Values -}}
{{- if not (has $v.store.kind (list "bolt" "postgres")) }}{{ fail "store.kind: bolt or postgres" }}{{ end -}}
{{- if and (eq $v.store.kind "bolt") (gt (int $v.replicas) 1) }}{{ fail "replicas: one Belay alone may have the file of store.kind bolt; several share a PostgreSQL (store.kind: postgres)" }}{{ end -}}
{{- if eq $v.store.kind "postgres" -}}
{{- if $v.restore.identitySecret }}{{ fail "restore.identitySecret: PostgreSQL is restored by its own means (docs/postgres.md)" }}{{ end -}}
{{- if not $v.keys.existingSecret }}{{ fail "keys.existingSecret: replicas on PostgreSQL share one key file; docs/operations.md says how it is made" }}{{ end -}}
{{- if and $v.store.postgres.url (hasKey $v.secrets.files "store.postgres_url") }}{{ fail "store.postgres.url: give it, or secrets.files store.postgres_url, and not both" }}{{ end -}}
{{- if not (or $v.store.postgres.url (hasKey $v.secrets.files "store.postgres_url")) }}{{ fail "store.postgres.url: the database's address; with a password in it, name a Secret in secrets.files, store.postgres_url" }}{{ end -}}
{{- if regexMatch "://[^/@]*:[^/@]*@" $v.store.postgres.url }}{{ fail "store.postgres.url: a password is a secret; name a Secret in secrets.files, store.postgres_url" }}{{ end -}}
{{- else -}}
{{- if or $v.store.postgres.url (hasKey $v.secrets.files "store.postgres_url") }}{{ fail "store.kind: bolt, and an address of PostgreSQL is given" }}{{ end -}}
{{- if $v.keys.existingSecret }}{{ fail "keys.existingSecret: with store.kind bolt Belay makes the key file on the disk" }}{{ end -}}
{{- end -}}
{{- if not (has $v.store.bolt.accessMode (list "ReadWriteOnce" "ReadWriteOncePod")) }}{{ fail "store.bolt.accessMode: ReadWriteOnce or ReadWriteOncePod; the file must never be on a share" }}{{ end -}}
{{- if not $v.config.public_url }}{{ fail "config.public_url: where browsers and the chat platforms reach Belay" }}{{ end -}}
{{- if and $v.secrets.files (not $v.secrets.existingSecret) }}{{ fail "secrets.existingSecret: the Secret of secrets.files" }}{{ end -}}
{{- range $name, $value := $v.env -}}
{{- if hasPrefix "BELAY_" $name }}{{ fail (printf "env.%s: a setting of Belay's belongs into config, a secret into secrets.files" $name) }}{{ end -}}
{{- end -}}
{{- range $path := splitList " " (include "belay.secretKeys" .) -}}
{{- if include "belay.given" (dict "in" $v.config "path" $path) }}{{ fail (printf "config.%s: a secret does not belong into values; name a Secret in secrets.files" $path) }}{{ end -}}
{{- end -}}
{{- range $path := splitList " " (include "belay.ownKeys" .) -}}
{{- if include "belay.given" (dict "in" $v.config "path" $path) }}{{ fail (printf "config.%s: the chart sets it" $path) }}{{ end -}}
{{- end -}}
{{- end }}

{{/* Something, if the key of path is in. */}}
{{- define "belay.given" -}}
{{- $at := .in -}}
{{- $given := true -}}
{{- range splitList "." .path -}}
{{- if and $given (kindIs "map" $at) (hasKey $at .) }}{{ $at = get $at . }}{{ else }}{{ $given = false }}{{ end -}}
{{- end -}}
{{- if $given }}yes{{ end -}}
{{- end }}

{{/* Puts value at path. */}}
{{- define "belay.put" -}}
{{- $at := .in -}}
{{- $parts := splitList "." .path -}}
{{- range initial $parts -}}
{{- if not (kindIs "map" (get $at .)) }}{{ $_ := set $at . dict }}{{ end -}}
{{- $at = get $at . -}}
{{- end -}}
{{- $_ := set $at (last $parts) .value -}}
{{- end }}

{{/* belay.yaml: what was given, and what the chart sets. */}}
{{- define "belay.config" -}}
{{- $c := deepCopy .Values.config -}}
{{- $set := dict "listen" ":8080" "private_listen" ":9090" "data" "/var/lib/belay/data" "stop_timeout" (printf "%ds" (int .Values.stopSeconds)) -}}
{{- if eq .Values.store.kind "postgres" -}}
{{- $_ := set $set "keys.file" "/etc/belay/keys/belay.keys" -}}
{{- with .Values.store.postgres.url }}{{ $_ := set $set "store.postgres_url" . }}{{ end -}}
{{- end -}}
{{- if .Values.workloadIdentity.enabled }}{{ $_ := set $set "entra.federated_token_file" "/var/run/secrets/entra/token" }}{{ end -}}
{{- range $path, $key := .Values.secrets.files -}}
{{- $_ := set $set (ternary $path (printf "%s_file" $path) (hasSuffix "_file" $path)) (printf "/etc/belay/secrets/%s" $key) -}}
{{- end -}}
{{- range $path, $value := $set }}{{ include "belay.put" (dict "in" $c "path" $path "value" $value) }}{{ end -}}
{{- toYaml $c -}}
{{- end }}
