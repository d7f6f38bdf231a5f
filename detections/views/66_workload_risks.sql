-- What workloads may do to their node and to others, read once from every form of a write. A pod that a built-in
-- controller makes from a template is judged at whoever wrote the template; where the log does not show the
-- template, the pod stands for it and names its owner (authored is false). A node's own mirror pods are not authored.
--
-- outcome_words: '' where it took effect, else what stood in the way, for the end of a sentence.
CREATE VIEW workloads AS
WITH specs AS (
    SELECT cluster, event_id, request_received_at, user_name, user_groups, impersonated_user_name, service_account_namespace, service_account_name,
           source_ip, verb, resource, subresource, namespace, object_name, response_code, applied, pod_spec,
           outcome(applied, response_code, decision, response_message) AS outcome_words,
           owner_kind, owner_name,
           coalesce(impersonated_user_name IS NULL AND verb = 'create' AND (
               (resource IN ('pods', 'replicasets', 'jobs') AND is_built_in_controller(service_account_namespace, service_account_name))
               OR (resource IN ('pods', 'replicasets', 'jobs') AND is_control_plane(user_name, user_groups, source_ip))), false) AS from_template,
           coalesce(resource = 'pods' AND is_node(user_name, user_groups) AND is_mirror, false) AS is_mirror
    FROM pod_specs
),
authors AS (SELECT DISTINCT cluster, namespace, object_name AS author_name FROM specs WHERE NOT from_template)
SELECT *, NOT from_template AND NOT is_mirror AS authored,
       actor(user_name, impersonated_user_name) AS who,
       resource || coalesce('/' || subresource, '') || ' ' || coalesce(namespace || '/', '') || coalesce(object_name, '')
           || CASE WHEN from_template AND owner_name IS NOT NULL THEN ' (of ' || owner_kind || ' ' || owner_name || ')' ELSE '' END AS workload
FROM specs AS s
WHERE NOT from_template OR NOT EXISTS (
    SELECT 1 FROM authors AS a
    WHERE a.cluster = s.cluster AND a.namespace = s.namespace
      AND (s.owner_name = a.author_name OR starts_with(s.owner_name, a.author_name || '-'))
);

-- One row per container of those, with what it asks for; what the pod says holds where the container says nothing.
CREATE VIEW workload_containers AS
WITH every AS (
    SELECT *, 'container' AS container_kind, unnest(json_extract(pod_spec, '$.containers[*]')) AS container FROM workloads
    UNION ALL
    SELECT *, 'init container' AS container_kind, unnest(json_extract(pod_spec, '$.initContainers[*]')) AS container FROM workloads
    UNION ALL
    SELECT *, 'ephemeral container' AS container_kind, unnest(json_extract(pod_spec, '$.ephemeralContainers[*]')) AS container FROM workloads
)
SELECT * EXCLUDE (pod_spec, container),
       coalesce(json_extract_string(container, '$.name'), '') AS container_name,
       json_extract_string(container, '$.image') AS image,
       coalesce(json_extract_string(container, '$.securityContext.privileged') = 'true', false) AS privileged,
       list_transform(json_extract_string(container, '$.securityContext.capabilities.add[*]'),
                      lambda capability: regexp_replace(upper(capability), '^CAP_', '')) AS capabilities,
       coalesce(json_extract_string(container, '$.securityContext.runAsUser'), json_extract_string(pod_spec, '$.securityContext.runAsUser')) = '0' AS as_root,
       json_extract_string(container, '$.securityContext.allowPrivilegeEscalation') = 'true' AS may_escalate,
       coalesce(json_extract_string(container, '$.securityContext.seccompProfile.type'), json_extract_string(pod_spec, '$.securityContext.seccompProfile.type')) AS seccomp,
       coalesce(json_extract_string(container, '$.securityContext.appArmorProfile.type'), json_extract_string(pod_spec, '$.securityContext.appArmorProfile.type')) AS apparmor,
       json_extract_string(container, '$.securityContext.procMount') AS proc_mount,
       coalesce(json_extract_string(container, '$.securityContext.windowsOptions.hostProcess'), json_extract_string(pod_spec, '$.securityContext.windowsOptions.hostProcess')) = 'true' AS host_process,
       coalesce(json_extract(container, '$.securityContext.seLinuxOptions'), json_extract(pod_spec, '$.securityContext.seLinuxOptions')) AS selinux,
       list_filter(json_extract_string(container, '$.ports[*].hostPort'), lambda port: port <> '0') AS host_ports,
       array_to_string(list_concat(json_extract_string(container, '$.command[*]'), json_extract_string(container, '$.args[*]')), ' ') AS command_line,
       json_extract(container, '$.resources.limits') AS resource_limits
FROM every;

-- One row per directory of a node that a workload mounts. path: without //, /./ and a slash at the end; one with
-- /.. is kept as it is, since nobody honest writes that. read_only: every container that mounts it says so.
CREATE VIEW host_paths AS
WITH volumes AS (
    SELECT *, unnest(json_extract(pod_spec, '$.volumes[*]')) AS volume FROM workloads
)
SELECT * EXCLUDE (pod_spec, volume), json_extract_string(volume, '$.name') AS volume_name,
       coalesce(list_bool_and(list_transform(
           list_filter(list_concat(json_extract(pod_spec, '$.containers[*].volumeMounts[*]'), json_extract(pod_spec, '$.initContainers[*].volumeMounts[*]'),
                                   json_extract(pod_spec, '$.ephemeralContainers[*].volumeMounts[*]')),
                       lambda mount: json_extract_string(mount, '$.name') = json_extract_string(volume, '$.name')),
           lambda mount: coalesce(json_extract_string(mount, '$.readOnly') = 'true', false))), false) AS read_only,
       CASE WHEN regexp_replace(json_extract_string(volume, '$.hostPath.path'), '(/+\.?)+$', '') = '' THEN '/'
            ELSE regexp_replace(regexp_replace(regexp_replace(json_extract_string(volume, '$.hostPath.path'), '(/\.)+(/|$)', '/', 'g'), '/+', '/', 'g'), '(.)/$', '\1') END AS path
FROM volumes
WHERE json_extract_string(volume, '$.hostPath.path') IS NOT NULL;
