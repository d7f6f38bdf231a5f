-- The pod spec of every write of every workload, at whoever wrote the workload: pods, templates of every kind
-- (unknown custom resources with a template too), and ephemeral containers. pod_spec: the spec as stored where
-- the level shows it, else the spec or patch as sent.
CREATE VIEW pod_specs AS
WITH found AS (
    SELECT *,
           CASE
               WHEN resource = 'pods' THEN '$.spec'
               WHEN resource = 'podtemplates' THEN '$.template.spec'
               WHEN resource = 'cronjobs' THEN '$.spec.jobTemplate.spec.template.spec'
               WHEN json_type(document, '$.spec.template.spec') = 'OBJECT' THEN '$.spec.template.spec'
               WHEN json_type(document, '$.spec.jobTemplate.spec.template.spec') = 'OBJECT' THEN '$.spec.jobTemplate.spec.template.spec'
           END AS spec_path
    FROM written_documents
    WHERE (subresource IS NULL OR (resource = 'pods' AND subresource = 'ephemeralcontainers'))
      AND resource NOT IN ('secrets', 'configmaps', 'events', 'leases', 'roles', 'clusterroles', 'rolebindings', 'clusterrolebindings')
)
SELECT * EXCLUDE (spec_path),
       CAST(coalesce(json_extract(merged, spec_path), json_extract(document, spec_path)) AS VARCHAR) AS pod_spec
FROM found
WHERE spec_path IS NOT NULL AND json_type(document, spec_path) = 'OBJECT';

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
