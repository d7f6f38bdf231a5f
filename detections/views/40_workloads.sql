CREATE MACRO pod_paths() AS [
    '$.spec', '$.template.spec', '$.spec.template.spec', '$.spec.jobTemplate.spec.template.spec',
    '$.metadata.ownerReferences[0].kind', '$.metadata.ownerReferences[0].name', '$.metadata.annotations."kubernetes.io/config.mirror"'
];

-- The pod spec of every write of every workload, at whoever wrote the workload: pods, templates of every kind
-- (unknown custom resources with a template too), and ephemeral containers. pod_spec: the spec as stored where
-- the level shows it, else the spec or patch as sent. owner_*: the controller that a pod belongs to, as written.
-- sent: for a patch, the spec in the document itself.
-- The bodies stay behind: what rules share is kept, and whole objects are ten times what anybody reads of them.
CREATE VIEW pod_specs AS
WITH written AS (
    SELECT *
    FROM written_documents
    WHERE (subresource IS NULL OR (resource = 'pods' AND subresource = 'ephemeralcontainers'))
      AND (resource IN ('pods', 'podtemplates', 'deployments', 'daemonsets', 'statefulsets', 'replicasets', 'replicationcontrollers', 'jobs', 'cronjobs')
           -- Other kinds of the built-in groups have no template; which group it is, the server decides.
           OR (api_group IS NOT NULL AND contains(api_group, '.') AND NOT ends_with(api_group, '.k8s.io')))
),
-- Every body is parsed once, for all that is read of it.
parsed AS (
    SELECT * EXCLUDE (document, merged, request_object, response_object),
           json_extract(document, pod_paths()) AS sent, json_extract(merged, pod_paths()) AS stored
    FROM written
),
placed AS (
    SELECT *,
           CASE
               WHEN resource = 'pods' THEN 1
               WHEN resource = 'podtemplates' THEN 2
               WHEN resource = 'cronjobs' THEN 4
               WHEN resource IN ('deployments', 'daemonsets', 'statefulsets', 'replicasets', 'replicationcontrollers', 'jobs') THEN 3
               WHEN json_type(sent[3]) = 'OBJECT' THEN 3
               WHEN json_type(sent[4]) = 'OBJECT' THEN 4
           END AS place
    FROM parsed
)
SELECT * EXCLUDE (sent, stored, place),
       coalesce(stored[5], sent[5]) ->> '$' AS owner_kind, coalesce(stored[6], sent[6]) ->> '$' AS owner_name,
       coalesce(stored[7], sent[7]) IS NOT NULL AS is_mirror,
       CAST(coalesce(stored[place], sent[place]) AS VARCHAR) AS pod_spec,
       CASE WHEN form <> 'object' THEN CAST(sent[place] AS VARCHAR) END AS sent
FROM placed
WHERE place IS NOT NULL AND json_type(sent[place]) = 'OBJECT';

-- One row per container of those, init and ephemeral ones included.
CREATE VIEW containers AS
SELECT *, 'container' AS container_kind, unnest(json_extract(pod_spec, '$.containers[*]')) AS container FROM pod_specs
UNION ALL
SELECT *, 'init' AS container_kind, unnest(json_extract(pod_spec, '$.initContainers[*]')) AS container FROM pod_specs
UNION ALL
SELECT *, 'ephemeral' AS container_kind, unnest(json_extract(pod_spec, '$.ephemeralContainers[*]')) AS container FROM pod_specs;

-- Sessions into pods, with the command decoded from the URI: GET (WebSocket) and POST (SPDY) alike.
CREATE VIEW exec_commands AS
SELECT *,
       query_values(request_uri, 'command') AS command,
       query_values(request_uri, 'container')[1] AS container_name,
       coalesce(query_values(request_uri, 'stdin')[1] IN ('true', '1'), false) AS stdin,
       coalesce(query_values(request_uri, 'tty')[1] IN ('true', '1'), false) AS tty
FROM requests
WHERE resource = 'pods' AND subresource IN ('exec', 'attach', 'portforward') AND verb IN ('get', 'create');
