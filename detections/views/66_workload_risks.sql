-- What workloads run and what they may do to their node, read once from every form of a write.

-- A path as the node reads it: no doubled slash, no '.', no slash at the end. The kube-apiserver refuses '..'.
CREATE MACRO clean_path(path) AS
    '/' || array_to_string(list_filter(string_split(path, '/'), lambda step: step NOT IN ('', '.')), '/');

-- CAP_SYS_ADMIN, sys_admin and SYS_ADMIN are one.
CREATE MACRO clean_capability(capability) AS regexp_replace(upper(capability), '^CAP_', '');

-- Images in their long form: what a short name means to the container runtime.
CREATE MACRO image_name(image) AS regexp_replace(regexp_replace(image, '@.*$', ''), ':[^:/]*$', '');

-- 'alpine', 'docker.io/alpine:3' and 'index.docker.io/library/alpine@sha256:...' are 'docker.io/library/alpine'.
CREATE MACRO image_repository(image) AS
    CASE WHEN NOT regexp_matches(image_name(image), '^([^/]*[.:][^/]*|localhost)/') THEN
             'docker.io/' || CASE WHEN contains(image_name(image), '/') THEN '' ELSE 'library/' END || image_name(image)
         ELSE regexp_replace(regexp_replace(image_name(image), '^(index|registry-1)\.docker\.io/', 'docker.io/'), '^docker\.io/([^/]+)$', 'docker.io/library/\1') END;

CREATE MACRO image_registry(image) AS split_part(image_repository(image), '/', 1);

-- The tag, 'latest' where there is none; null where a digest says exactly which image.
CREATE MACRO image_tag(image) AS
    CASE WHEN NOT contains(image, '@') THEN coalesce(nullif(regexp_extract(image, ':([^:/]*)$', 1), ''), 'latest') END;

-- Whose part it is to write this kind of workload from a template of somebody else.
CREATE MACRO is_workload_controller(user_name, user_groups, source_ip, service_account_namespace, service_account_name, verb, resource) AS
    coalesce(verb IN ('create', 'update') AND resource IN ('pods', 'replicasets', 'jobs')
        AND ((user_name = 'system:kube-controller-manager' AND is_control_plane(user_name, user_groups, source_ip))
             OR (service_account_namespace = 'kube-system' AND CASE resource
                 WHEN 'pods' THEN service_account_name IN ('replicaset-controller', 'daemon-set-controller', 'statefulset-controller', 'job-controller',
                                                           'replication-controller')
                 WHEN 'replicasets' THEN service_account_name = 'deployment-controller'
                 WHEN 'jobs' THEN service_account_name = 'cronjob-controller' END)), false);

-- An owner's name and the name of what its owner was written as: web-5d4 is of web.
CREATE MACRO is_of(owner_name, author_name) AS (owner_name = author_name OR starts_with(owner_name, author_name || '-'));

-- One row per write of a pod spec. authored: nobody else is to blame; not so for what a controller of the cluster
-- makes with an owner (from a template that somebody else wrote) and for the mirror of a static pod. sent: for a
-- patch, the pod spec in the document itself; only what stands there was asked for now.
-- outcome_words: '' where it took effect, else what stood in the way, for the end of a sentence.
CREATE VIEW workloads AS
WITH specs AS (
    SELECT cluster, event_id, request_received_at, user_name, user_groups, impersonated_user_name, service_account_namespace, service_account_name,
           source_ip, verb, resource, subresource, namespace, object_name, response_code, applied, form, pod_spec,
           sent, owner_kind, owner_name, is_mirror,
           outcome(applied, response_code, decision, response_message) AS outcome_words,
           impersonated_user_name IS NULL
               AND is_workload_controller(user_name, user_groups, source_ip, service_account_namespace, service_account_name, verb, resource) AS by_controller
    FROM pod_specs
)
SELECT * EXCLUDE (by_controller, is_mirror),
       NOT (by_controller AND owner_name IS NOT NULL
            OR impersonated_user_name IS NULL AND resource = 'pods' AND is_node(user_name, user_groups) AND is_mirror) AS authored,
       actor(user_name, impersonated_user_name) AS who,
       resource || coalesce('/' || subresource, '') || ' ' || coalesce(namespace || '/', '') || coalesce(object_name, '')
           || CASE WHEN by_controller AND owner_name IS NOT NULL THEN ' (of ' || coalesce(owner_kind, '') || ' ' || owner_name || ')' ELSE '' END AS workload
FROM specs
-- A controller that a quota refuses says nothing about anybody.
WHERE applied OR NOT (by_controller AND owner_name IS NOT NULL);

-- One row per container of those. command_line: everything that it is told to run: command, arguments,
-- hooks, probes; environment: values, to search and not to show. Left out is what a controller makes when the log shows
-- who wrote a template of such a name with the same image and the same command.
CREATE VIEW workload_containers AS
WITH every AS (
    SELECT *, unnest(list_concat(
        list_transform(json_extract(pod_spec, '$.containers[*]'), lambda it: {kind: 'container', body: it}),
        list_transform(json_extract(pod_spec, '$.initContainers[*]'), lambda it: {kind: 'init container', body: it}),
        list_transform(json_extract(pod_spec, '$.ephemeralContainers[*]'), lambda it: {kind: 'ephemeral container', body: it}))) AS it
    FROM workloads
),
told AS (
    SELECT * EXCLUDE (pod_spec, sent, it), it.kind AS container_kind,
           coalesce(json_extract_string(it.body, '$.name'), '') AS container_name,
           json_extract_string(it.body, '$.image') AS image,
           trim(concat_ws(' ', array_to_string(json_extract_string(it.body, '$.command[*]'), ' '), array_to_string(json_extract_string(it.body, '$.args[*]'), ' '),
               array_to_string(json_extract_string(it.body, '$.lifecycle.*.exec.command[*]'), ' '),
               array_to_string(json_extract_string(it.body, '$.*.exec.command[*]'), ' '))) AS command_line,
           array_to_string(json_extract_string(it.body, '$.env[*].value'), ' ') AS environment
    FROM every
),
templates AS (
    SELECT DISTINCT cluster, namespace, object_name, image, command_line FROM told WHERE authored AND applied AND resource <> 'pods'
)
SELECT t.* FROM told AS t
WHERE t.authored OR NOT EXISTS (
    SELECT 1 FROM templates AS a
    WHERE a.cluster = t.cluster AND a.namespace = t.namespace AND a.image = t.image AND a.command_line = t.command_line AND is_of(t.owner_name, a.object_name));

-- One row per risk that a write of a pod spec asks for:
--   risk                                        value
--   privileged, run_as_root, allow_escalation,
--   host_process                                'true'
--   capability                                  'SYS_ADMIN'
--   proc_mount, seccomp, apparmor, selinux      'Unmasked', 'Unconfined', ...
--   host_port, host_address (of probes, hooks)  '8080', '10.0.0.1'
--   host_network, host_pid, host_ipc,
--   share_process_namespace                     'true'
--   host_path                                   the clean path; read_only: nothing mounts it for writing
--   sysctl, volume_type                         'kernel.msgmax', 'gitRepo' or 'flexVolume'
-- container: 'container c', 'init container c', 'ephemeral container c'; null where the whole pod is meant. Settings of
-- the pod count for each container that has none of its own.
--
-- reaches_out: the spec speaks of nsenter or of the first process's files.
--
-- Left out: what a patch does not mention, what stood in the same object before (a create is a new object), and what a controller made
-- from a template that the log shows.
CREATE VIEW pod_risks AS
WITH risky AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, verb, resource, namespace, object_name, form,
           applied, authored, owner_name, who, workload, outcome_words, pod_spec, sent,
           regexp_matches(pod_spec, 'nsenter|/proc/1/') AS reaches_out
    FROM workloads
    WHERE regexp_matches(pod_spec, '"(privileged|runAsUser|runAsNonRoot|allowPrivilegeEscalation|hostProcess|add|procMount|seccompProfile|appArmorProfile|seLinuxOptions|hostPort|host|hostNetwork|hostPID|hostIPC|shareProcessNamespace|hostPath|sysctls|gitRepo|flexVolume)":')
),
-- The spec as it is, and for patches the spec as sent: what is in both was asked for.
specs AS (
    SELECT cluster, event_id, form, pod_spec AS spec, false AS as_sent, sent AS part FROM risky
    UNION ALL
    SELECT cluster, event_id, form, sent, true, sent FROM risky WHERE form <> 'object'
),
volumes AS (
    SELECT *, unnest(json_extract(spec, '$.volumes[*]')) AS volume FROM specs
),
named_containers AS (
    SELECT * EXCLUDE (it), it.kind AS kind, it.body AS body
    FROM (SELECT *, unnest(list_concat(
              list_transform(json_extract(spec, '$.containers[*]'), lambda it: {kind: 'container ', body: it}),
              list_transform(json_extract(spec, '$.initContainers[*]'), lambda it: {kind: 'init container ', body: it}),
              list_transform(json_extract(spec, '$.ephemeralContainers[*]'), lambda it: {kind: 'ephemeral container ', body: it}))) AS it
          FROM specs)
),
mounts AS (
    SELECT cluster, event_id, part, as_sent, unnest(json_extract(body, '$.volumeMounts[*]')) AS mount FROM named_containers
),
writable AS (
    SELECT cluster, event_id, part, as_sent, json_extract_string(mount, '$.name') AS volume_name,
           bool_or(coalesce(json_extract_string(mount, '$.readOnly'), 'false') <> 'true') AS writable
    FROM mounts
    GROUP BY ALL
),
settings AS (
    SELECT cluster, event_id, part, as_sent, kind || coalesce(json_extract_string(body, '$.name'), '') AS container, body,
           json_extract_string(spec, '$.hostNetwork') AS host_network,
           json_extract(body, '$.securityContext') AS own,
           json_extract(spec, '$.securityContext') AS pod_wide
    FROM named_containers
),
effective AS (
    SELECT *,
           coalesce(json_extract_string(own, '$.runAsUser'), json_extract_string(pod_wide, '$.runAsUser')) AS run_as_user,
           coalesce(json_extract_string(own, '$.runAsNonRoot'), json_extract_string(pod_wide, '$.runAsNonRoot')) AS run_as_non_root,
           coalesce(json_extract_string(own, '$.windowsOptions.hostProcess'), json_extract_string(pod_wide, '$.windowsOptions.hostProcess')) AS host_process,
           coalesce(json_extract_string(own, '$.seccompProfile.type'), json_extract_string(pod_wide, '$.seccompProfile.type')) AS seccomp,
           coalesce(json_extract_string(own, '$.appArmorProfile.type'), json_extract_string(pod_wide, '$.appArmorProfile.type')) AS apparmor,
           coalesce(json_extract(own, '$.seLinuxOptions'), json_extract(pod_wide, '$.seLinuxOptions')) AS selinux
    FROM settings
),
facts AS (
    SELECT cluster, event_id, part, as_sent, container, unnest(list_concat(
               list_filter([
                   {risk: 'privileged', value: CASE json_extract_string(own, '$.privileged') WHEN 'true' THEN 'true' END},
                   {risk: 'run_as_root', value: CASE WHEN run_as_user = '0' OR (run_as_user IS NULL AND run_as_non_root = 'false') THEN 'true' END},
                   {risk: 'allow_escalation', value: CASE json_extract_string(own, '$.allowPrivilegeEscalation') WHEN 'true' THEN 'true' END},
                   {risk: 'host_process', value: CASE host_process WHEN 'true' THEN 'true' END},
                   {risk: 'proc_mount', value: nullif(json_extract_string(own, '$.procMount'), 'Default')},
                   {risk: 'seccomp', value: CASE seccomp WHEN 'Unconfined' THEN seccomp END},
                   {risk: 'apparmor', value: CASE apparmor WHEN 'Unconfined' THEN apparmor END},
                   {risk: 'selinux', value: CASE WHEN coalesce(json_extract_string(selinux, '$.user'), '') <> '' OR coalesce(json_extract_string(selinux, '$.role'), '') <> ''
                        OR coalesce(json_extract_string(selinux, '$.type'), '') NOT IN ('', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t')
                        THEN CAST(selinux AS VARCHAR) END}
               ], lambda fact: fact.value IS NOT NULL),
               list_transform(json_extract_string(own, '$.capabilities.add[*]'), lambda it: {risk: 'capability', value: clean_capability(it)}),
               -- With the host's network every port is filled in as a host port.
               CASE WHEN host_network IS DISTINCT FROM 'true' THEN
                   list_transform(list_filter(json_extract_string(body, '$.ports[*].hostPort'), lambda it: it <> '0'), lambda it: {risk: 'host_port', value: it}) END,
               list_transform(list_filter(json_extract_string(body, '$.*.*.host') || json_extract_string(body, '$.lifecycle.*.*.host'), lambda it: it <> ''),
                              lambda it: {risk: 'host_address', value: it})
           )) AS fact
    FROM effective
    UNION ALL
    SELECT cluster, event_id, part, as_sent, NULL, unnest(list_concat(
               list_filter([
                   {risk: 'host_network', value: CASE json_extract_string(spec, '$.hostNetwork') WHEN 'true' THEN 'true' END},
                   {risk: 'host_pid', value: CASE json_extract_string(spec, '$.hostPID') WHEN 'true' THEN 'true' END},
                   {risk: 'host_ipc', value: CASE json_extract_string(spec, '$.hostIPC') WHEN 'true' THEN 'true' END},
                   {risk: 'share_process_namespace', value: CASE json_extract_string(spec, '$.shareProcessNamespace') WHEN 'true' THEN 'true' END}
               ], lambda fact: fact.value IS NOT NULL),
               list_transform(json_extract_string(spec, '$.securityContext.sysctls[*].name'), lambda it: {risk: 'sysctl', value: it})
           ))
    FROM specs
    UNION ALL
    SELECT cluster, event_id, part, as_sent, NULL,
           CASE WHEN json_extract_string(volume, '$.hostPath.path') IS NOT NULL THEN {risk: 'host_path', value: clean_path(json_extract_string(volume, '$.hostPath.path'))}
                WHEN json_type(volume, '$.gitRepo') = 'OBJECT' THEN {risk: 'volume_type', value: 'gitRepo'}
                WHEN json_type(volume, '$.flexVolume') = 'OBJECT' THEN {risk: 'volume_type', value: 'flexVolume'} END
    FROM volumes
),
-- A container of a JSON patch has no name, so sent and stored are compared without.
asked AS (
    SELECT DISTINCT cluster, event_id, part, fact.risk AS risk, fact.value AS value FROM facts WHERE as_sent
),
read_only_paths AS (
    SELECT v.cluster, v.event_id, v.part, clean_path(json_extract_string(v.volume, '$.hostPath.path')) AS value,
           NOT bool_or(coalesce(w.writable, true)) AS read_only
    FROM volumes AS v
    LEFT JOIN writable AS w
        ON w.cluster = v.cluster AND w.event_id = v.event_id AND w.as_sent = v.as_sent AND w.part IS NOT DISTINCT FROM v.part
       AND w.volume_name = json_extract_string(v.volume, '$.name')
    WHERE NOT v.as_sent AND json_extract_string(v.volume, '$.hostPath.path') IS NOT NULL
    GROUP BY ALL
),
found AS (
    SELECT DISTINCT r.cluster, r.event_id, r.request_received_at, r.user_name, r.impersonated_user_name, r.source_ip, r.verb, r.resource,
           r.namespace, r.object_name, r.applied, r.authored, r.owner_name, r.who, r.workload, r.outcome_words, r.reaches_out, f.container, f.fact.risk AS risk, f.fact.value AS value,
           coalesce(o.read_only, false) AS read_only
    FROM risky AS r
    JOIN facts AS f ON f.cluster = r.cluster AND f.event_id = r.event_id AND f.part IS NOT DISTINCT FROM r.sent AND NOT f.as_sent
    LEFT JOIN asked AS a
        ON a.cluster = r.cluster AND a.event_id = r.event_id AND a.part = r.sent AND a.risk = f.fact.risk AND a.value = f.fact.value
    LEFT JOIN read_only_paths AS o
        ON f.fact.risk = 'host_path' AND o.cluster = r.cluster AND o.event_id = r.event_id AND o.part IS NOT DISTINCT FROM r.sent AND o.value = f.fact.value
    WHERE f.fact IS NOT NULL AND (r.form = 'object' OR a.risk IS NOT NULL)
),
sequenced AS (
    SELECT *, count(*) FILTER (WHERE applied) OVER (
               PARTITION BY cluster, resource, namespace, object_name, risk, value, container, read_only ORDER BY request_received_at
               RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING) AS earlier
    FROM found
),
templates AS (
    SELECT cluster, namespace, risk, value, object_name, min(request_received_at) AS since
    FROM found
    WHERE authored AND applied AND resource <> 'pods'
    GROUP BY ALL
)
SELECT s.* EXCLUDE (earlier, owner_name)
FROM sequenced AS s
WHERE (s.earlier = 0 OR s.verb = 'create')
  AND NOT (NOT s.authored AND EXISTS (
      SELECT 1 FROM templates AS t
      WHERE t.cluster = s.cluster AND t.namespace IS NOT DISTINCT FROM s.namespace AND t.risk = s.risk AND t.value = s.value
        AND t.since <= s.request_received_at
        AND is_of(s.owner_name, t.object_name)));
