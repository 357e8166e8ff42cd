{{/* The disk of the file. */}}
{{- define "belay.claim" -}}
{{ .Values.store.bolt.existingClaim | default (printf "%s%s" (include "belay.name" .) .Values.store.bolt.suffix) }}
{{- end }}

{{/* What every pod has. */}}
{{- define "belay.pod" -}}
serviceAccountName: {{ include "belay.account" . }}
automountServiceAccountToken: false
# BELAY_… of other Services would be taken for settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  # Once, when the disk is new. Each time would open the key file to the group, and Belay
  # refuses such a file.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 8 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 8 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* What every container has. */}}
{{- define "belay.container" -}}
image: {{ include "belay.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- with .Values.env }}
env:
  {{- range $name, $value := . }}
  - {name: {{ $name }}, value: {{ $value | quote }}}
  {{- end }}
{{- end }}
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{- define "belay.mounts" -}}
- {name: config, mountPath: /etc/belay/belay.yaml, subPath: belay.yaml, readOnly: true}
- {name: data, mountPath: /var/lib/belay}
{{- if .Values.secrets.files }}
- {name: secrets, mountPath: /etc/belay/secrets, readOnly: true}
{{- end }}
{{- if (eq .Values.store.kind "postgres") }}
- {name: keys, mountPath: /etc/belay/keys, readOnly: true}
{{- end }}
{{- if .Values.workloadIdentity.enabled }}
- {name: entra, mountPath: /var/run/secrets/entra, readOnly: true}
{{- end }}
{{- end }}

{{- define "belay.volumes" -}}
- name: config
  configMap:
    name: {{ include "belay.name" . }}
- name: data
  {{- if (eq .Values.store.kind "postgres") }}
  # The socket for commands, and room for a backup on its way.
  emptyDir: {sizeLimit: 2Gi}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ include "belay.claim" . }}
  {{- end }}
{{- if .Values.secrets.files }}
- name: secrets
  secret:
    secretName: {{ .Values.secrets.existingSecret }}
    defaultMode: 0400
    items:
      {{- range $key := .Values.secrets.files | values | uniq | sortAlpha }}
      - {key: {{ $key }}, path: {{ $key }}}
      {{- end }}
{{- end }}
{{- if (eq .Values.store.kind "postgres") }}
# Owned by root, for the group 65532 to read: that is how Kubernetes hands a Secret over.
- name: keys
  secret:
    secretName: {{ .Values.keys.existingSecret }}
    defaultMode: 0400
    items:
      - {key: {{ .Values.keys.key }}, path: belay.keys}
{{- end }}
{{- if .Values.workloadIdentity.enabled }}
- name: entra
  projected:
    sources:
      - serviceAccountToken:
          audience: {{ .Values.workloadIdentity.audience }}
          expirationSeconds: 3600
          path: token
{{- end }}
{{- end }}
