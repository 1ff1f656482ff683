{{- define "shoal.name" -}}
{{- .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{- define "shoal.labels" -}}
app.kubernetes.io/name: shoal
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "shoal.selector" -}}
app.kubernetes.io/name: shoal
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* What every pod has: no root, no token of the cluster, not two of one kind on a node if that can be avoided. */}}
{{- define "shoal.pod" -}}
serviceAccountName: {{ include "shoal.name" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "shoal.selector" (dict "root" .root "component" .component) | nindent 14 }}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "shoal.container" -}}
image: "{{ .root.Values.image.repository }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}"
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [python, -m, services.{{ .module }}]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Environment of every service; REDIS_URL is in a file of a secret, so that it is in no environment. */}}
{{- define "shoal.environment" -}}
- {name: SHOAL_MODE, value: {{ .Values.mode | quote }}}
{{- with .Values.paperUrl }}
- {name: PAPER_URL, value: {{ . | quote }}}
{{- end }}
- {name: REDIS_URL_FILE, value: /run/redis/url}
{{- if .Values.redis.caFile }}
- {name: REDIS_CA_FILE, value: /run/redis/ca.crt}
{{- end }}
- {name: REDIS_UNCHECKED, value: {{ .Values.redis.unchecked | quote }}}
- {name: LOG_FORMAT, value: {{ .Values.logFormat | quote }}}
- {name: RETENTION_DAYS, value: {{ .Values.retentionDays | quote }}}
- {name: SHOAL_CONFIG_SOURCE, value: {{ .Values.configSource | quote }}}
{{- with .Values.krakenTier }}
- {name: KRAKEN_TIER, value: {{ . | quote }}}
{{- end }}
{{- end -}}

{{- define "shoal.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: redis, mountPath: /run/redis, readOnly: true}
{{- if or .Values.config.existingClaim .Values.config.files }}
- {name: config, mountPath: /app/config, readOnly: true}
{{- end }}
{{- end -}}

{{/* `redisUser`: the service, or executor-<group>. */}}
{{- define "shoal.volumes" -}}
- name: tmp
  emptyDir: {}
- name: redis
  secret:
    secretName: {{ .root.Values.redis.secretPrefix }}-{{ .redisUser }}
    defaultMode: 0440
{{- if .root.Values.config.existingClaim }}
- name: config
  persistentVolumeClaim:
    claimName: {{ .root.Values.config.existingClaim }}
{{- else if .root.Values.config.files }}
- name: config
  configMap:
    name: {{ include "shoal.name" .root }}-config
    items:
      {{- range $path, $_ := .root.Values.config.files }}
      - {key: {{ $path | replace "/" "__" | quote }}, path: {{ $path | quote }}}
      {{- end }}
{{- end }}
{{- end -}}

{{/* A pod is ready by its own heartbeat in Redis. It is restarted only if Redis answers and its heartbeat is missing (exit 1): while
Redis does not answer (exit 2), a restart mends nothing and the turn of every user would begin again. */}}
{{- define "shoal.probes" -}}
startupProbe:
  exec: {command: [python, -m, services.ops, health, {{ .service }}, --here]}
  periodSeconds: 5
  timeoutSeconds: {{ .root.Values.probes.timeoutSeconds }}
  failureThreshold: 60
readinessProbe:
  exec: {command: [python, -m, services.ops, health, {{ .service }}, --here]}
  periodSeconds: {{ .root.Values.probes.periodSeconds }}
  timeoutSeconds: {{ .root.Values.probes.timeoutSeconds }}
  failureThreshold: {{ .root.Values.probes.failureThreshold }}
{{- if .restarts }}
livenessProbe:
  exec: {command: [sh, -c, "python -m services.ops health {{ .service }} --here || [ $? -ne 1 ]"]}
  periodSeconds: 60
  timeoutSeconds: {{ .root.Values.probes.timeoutSeconds }}
  failureThreshold: 5
{{- end }}
{{- end -}}

{{- define "shoal.keys" -}}
{{- with . }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end -}}
