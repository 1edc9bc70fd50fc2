{{- define "slugline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{ .Release.Name | trunc 48 | trimSuffix "-" }}{{- else -}}{{ printf "%s-%s" .Release.Name $name | trunc 48 | trimSuffix "-" }}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "slugline.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "slugline.labels" -}}
{{ include "slugline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: slugline
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "slugline.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{/* A value as the environment takes it. Helm reads all numbers as floats, and 16777216 would become 1.6777216e+07. */}}
{{- define "slugline.text" -}}
{{- if kindIs "slice" . -}}
{{- $parts := list -}}
{{- range . -}}{{- $parts = append $parts (include "slugline.text" .) -}}{{- end -}}
{{- join "," $parts -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- define "slugline.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "slugline.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "slugline.usesDatabase" -}}
{{- if has . (list "materialise" "brief" "webhooks" "web") -}}true{{- end -}}
{{- end -}}

{{/* Takes dict root and name (of a service; empty for jobs): each may come in as a role of its own. */}}
{{- define "slugline.databaseEnv" -}}
{{- $secret := .root.Values.database.existingSecret -}}
{{- $own := ternary $secret.migratorKey (ternary $secret.webKey "" (eq .name "web")) (eq .name "") -}}
- name: SLUGLINE_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ $secret.name | quote }}
      key: {{ default $secret.key $own | quote }}
{{- end -}}

{{- define "slugline.usesKafka" -}}
{{- if not (has . (list "webhooks" "web")) -}}true{{- end -}}
{{- end -}}

{{/* How a user of Kafka gets in. Takes dict root, user, which is a service or operator, and settings. */}}
{{- define "slugline.kafkaEnv" -}}
{{- $security := .root.Values.kafka.security -}}
{{- $strimzi := include "slugline.kafkaUser" . -}}
- name: SLUGLINE_KAFKA_SECURITY_PROTOCOL
  value: {{ $security.protocol }}
{{- if hasPrefix "SASL" $security.protocol }}
- name: SLUGLINE_KAFKA_SASL_MECHANISM
  value: {{ $security.mechanism }}
- name: SLUGLINE_KAFKA_USERNAME
  value: {{ default ($security.username | replace "{service}" .user) $strimzi | quote }}
{{- if not .settings.kafka_password_file }}
- name: SLUGLINE_KAFKA_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ default ($security.existingSecret.name | replace "{service}" .user) $strimzi | quote }}
      key: {{ ternary "password" $security.existingSecret.key (ne $strimzi "") | quote }}
{{- end }}
{{- else if $strimzi }}
- name: SLUGLINE_KAFKA_CERTIFICATE_FILE
  value: /etc/slugline/kafka-user/user.crt
- name: SLUGLINE_KAFKA_KEY_FILE
  value: /etc/slugline/kafka-user/user.key
{{- end }}
{{- if include "slugline.kafkaCa" .root }}
- name: SLUGLINE_KAFKA_CA_FILE
  value: /etc/slugline/kafka/{{ $security.caSecret.key }}
{{- end }}
{{- end -}}

{{- define "slugline.kafkaCa" -}}
{{- if and (hasSuffix "SSL" .Values.kafka.security.protocol) .Values.kafka.security.caSecret.name -}}true{{- end -}}
{{- end -}}

{{/* The KafkaUser, and with it the secret, of a user where Strimzi makes them. Takes dict root and user. */}}
{{- define "slugline.kafkaUser" -}}
{{- if .root.Values.strimzi.users.enabled -}}{{ include "slugline.fullname" .root }}-{{ .user }}{{- end -}}
{{- end -}}

{{- define "slugline.kafkaByCertificate" -}}
{{- if and .Values.strimzi.users.enabled (eq .Values.strimzi.users.authentication "tls") -}}true{{- end -}}
{{- end -}}

{{- define "slugline.kafkaMounts" -}}
{{- if include "slugline.kafkaCa" . }}
- {name: kafka-ca, mountPath: /etc/slugline/kafka, readOnly: true}
{{- end }}
{{- if include "slugline.kafkaByCertificate" . }}
- {name: kafka-user, mountPath: /etc/slugline/kafka-user, readOnly: true}
{{- end }}
{{- end -}}

{{/* Takes dict root and user. */}}
{{- define "slugline.kafkaVolumes" -}}
{{- if include "slugline.kafkaCa" .root }}
- name: kafka-ca
  secret: {secretName: {{ .root.Values.kafka.security.caSecret.name | quote }}}
{{- end }}
{{- if include "slugline.kafkaByCertificate" .root }}
- name: kafka-user
  secret: {secretName: {{ include "slugline.kafkaUser" . | quote }}}
{{- end }}
{{- end -}}

{{/*
The environment of a container. Takes dict root, name (of a service; operator for one who gives commands; empty for jobs), kafka and
database (whether it uses them), settings and extraEnv.
*/}}
{{- define "slugline.env" -}}
{{- $root := .root -}}
{{- $settings := merge (dict) (default (dict) .settings) $root.Values.settings -}}
- name: SLUGLINE_KAFKA_BOOTSTRAP_SERVERS
  value: {{ $root.Values.kafka.bootstrapServers | quote }}
{{- if .kafka }}
{{ include "slugline.kafkaEnv" (dict "root" $root "user" (default "operator" .name) "settings" $settings) }}
{{- end }}
{{- if .database }}
{{ include "slugline.databaseEnv" (dict "root" $root "name" .name) }}
{{- end }}
{{- if has .name (keys $root.Values.services) }}
- name: SLUGLINE_HEALTH_HOST
  value: "0.0.0.0"
- name: SLUGLINE_HEALTH_PORT
  value: "9100"
{{- end }}
{{- if has .name (list "web" "post") }}
- name: SLUGLINE_{{ upper .name }}_HOST
  value: "0.0.0.0"
- name: SLUGLINE_{{ upper .name }}_PORT
  value: {{ ternary "8080" "8090" (eq .name "web") | quote }}
{{- end }}
{{- if eq .name "assign" }}
- name: SLUGLINE_GROUP_INSTANCE_ID
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- if and (eq .name "brief") $root.Values.services.brief.modelKey.name }}
- name: SLUGLINE_BRIEF_MODEL_KEY
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.services.brief.modelKey.name | quote }}
      key: {{ $root.Values.services.brief.modelKey.key | quote }}
{{- end }}
{{- if has .name (list "" "operator") }}
- name: SLUGLINE_KAFKA_REPLICATION
  value: {{ include "slugline.text" $root.Values.kafka.replication | quote }}
{{- /* Topics keep what the materialiser's rows are kept by. */}}
{{- range $setting, $value := $root.Values.services.materialise.settings }}
{{- if hasPrefix "keep_" $setting }}{{- $_ := set $settings $setting $value }}{{- end }}
{{- end }}
{{- end }}
{{- range $setting, $value := $settings }}
{{- /* A password or certificate for Kafka without its protocol would be a fault. */}}
{{- if or $.kafka (not (hasPrefix "kafka_" $setting)) }}
- name: SLUGLINE_{{ upper $setting }}
  value: {{ include "slugline.text" $value | quote }}
{{- end }}
{{- end }}
{{- with concat (default (list) $root.Values.extraEnv) (default (list) .extraEnv) }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "slugline.spread" -}}
{{- $root := .root -}}
{{- range .root.Values.topologySpread.keys }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "slugline.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $.name }}
{{- end }}
{{- end -}}

{{/* The pod of a service. Takes dict root and name. */}}
{{- define "slugline.pod" -}}
{{- $root := .root -}}
{{- $service := index $root.Values.services .name -}}
{{- $database := eq (include "slugline.usesDatabase" .name) "true" -}}
{{- $kafka := eq (include "slugline.usesKafka" .name) "true" -}}
{{- $env := include "slugline.env" (dict "root" $root "name" .name "kafka" $kafka "database" $database "settings" $service.settings "extraEnv" $service.extraEnv) -}}
metadata:
  labels:
    {{- include "slugline.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- with $root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with merge (dict) (default (dict) $service.podAnnotations) $root.Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "slugline.fullname" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 30
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "slugline.podSecurity" $root | nindent 4 }}
  {{- if eq $root.Values.jobs.mode "plain" }}
  {{- $waits := concat (ternary (list (list "topics" "check" "--for" .name)) (list) $kafka) (ternary (list (list "db" "check")) (list) $database) }}
  # They come in as the service does, with no more rights.
  initContainers:
    {{- range $wait := $waits }}
    - name: wait-for-{{ first $wait }}
      image: {{ include "slugline.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [{{ join ", " $wait }}]
      env:
        {{- $env | nindent 8 }}
      {{- with concat (default (list) $root.Values.extraEnvFrom) (default (list) $service.extraEnvFrom) }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "slugline.containerSecurity" $root | nindent 8 }}
      resources:
        {{- toYaml $root.Values.jobs.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- with ternary (include "slugline.kafkaMounts" $root) "" $kafka | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- end }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "slugline.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [run, {{ .name }}]
      env:
        {{- $env | nindent 8 }}
      {{- with concat (default (list) $root.Values.extraEnvFrom) (default (list) $service.extraEnvFrom) }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: health, containerPort: 9100}
        {{- if eq .name "web" }}
        - {name: http, containerPort: 8080}
        {{- else if eq .name "post" }}
        - {name: http, containerPort: 8090}
        {{- end }}
      # Imports take seconds on a busy node. Liveness never fails for a slow broker or database.
      startupProbe:
        httpGet: {path: /live, port: health}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /live, port: health}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /ready, port: health}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 2
      securityContext:
        {{- include "slugline.containerSecurity" $root | nindent 8 }}
      resources:
        {{- toYaml $service.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- with ternary (include "slugline.kafkaMounts" $root) "" $kafka | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 256Mi}
    {{- with ternary (include "slugline.kafkaVolumes" (dict "root" $root "user" .name)) "" $kafka | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if $root.Values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- include "slugline.spread" . | trim | nindent 4 }}
  {{- end }}
  {{- with merge (dict) (default (dict) $service.nodeSelector) $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with concat (default (list) $root.Values.tolerations) (default (list) $service.tolerations) }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
