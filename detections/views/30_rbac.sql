-- One row per subject written to a role binding, in every form of a write. role_* comes from the request, else
-- from the object as stored, else from the last time the log saw that binding whole (roleRef never changes).
CREATE VIEW rbac_subjects AS
WITH bindings AS (
    SELECT * FROM written_documents
    WHERE resource IN ('rolebindings', 'clusterrolebindings') AND api_group = 'rbac.authorization.k8s.io' AND subresource IS NULL
),
known_roles AS (
    SELECT cluster, resource, namespace, object_name,
           arg_max(json_extract_string(coalesce(merged, document), '$.roleRef.kind'), request_received_at) AS role_kind,
           arg_max(json_extract_string(coalesce(merged, document), '$.roleRef.name'), request_received_at) AS role_name
    FROM bindings
    WHERE json_extract_string(coalesce(merged, document), '$.roleRef.name') IS NOT NULL
    GROUP BY ALL
),
subjects AS (
    SELECT *, unnest(json_extract(document, '$.subjects[*]')) AS subject FROM bindings
)
SELECT b.* EXCLUDE (subject),
       json_extract_string(b.subject, '$.kind') AS subject_kind,
       json_extract_string(b.subject, '$.name') AS subject_name,
       json_extract_string(b.subject, '$.namespace') AS subject_namespace,
       coalesce(json_extract_string(b.document, '$.roleRef.kind'), json_extract_string(b.merged, '$.roleRef.kind'), k.role_kind) AS role_kind,
       coalesce(json_extract_string(b.document, '$.roleRef.name'), json_extract_string(b.merged, '$.roleRef.name'), k.role_name) AS role_name
FROM subjects AS b
LEFT JOIN known_roles AS k
    ON k.cluster = b.cluster AND k.resource = b.resource AND k.namespace IS NOT DISTINCT FROM b.namespace AND k.object_name = b.object_name;

-- One row per rule entry written to a role; a list that is none is empty (whatever a client sends must not break this). An entry that a JSON patch touched only in part (one verb added) is
-- shown whole from the object as stored, where the level shows it.
CREATE VIEW rbac_rules AS
WITH roles AS (
    SELECT * FROM written_documents
    WHERE resource IN ('roles', 'clusterroles') AND api_group = 'rbac.authorization.k8s.io' AND subresource IS NULL
),
unnested AS (
    SELECT *, unnest(json_extract(document, '$.rules[*]')) AS entry FROM roles
),
entries AS (
    SELECT *,
           json_extract(entry, '$.verbs') IS NULL
           OR (json_extract(entry, '$.resources') IS NULL AND json_extract(entry, '$.nonResourceURLs') IS NULL) AS partial
    FROM unnested
),
whole AS (
    SELECT * EXCLUDE (partial) FROM entries WHERE NOT partial OR merged IS NULL
    UNION ALL
    SELECT * EXCLUDE (entry, partial), unnest(json_extract(merged, '$.rules[*]')) AS entry
    FROM entries WHERE partial AND merged IS NOT NULL
)
SELECT * EXCLUDE (entry), entry,
       coalesce(json_extract_string(entry, '$.verbs[*]'), []) AS rule_verbs,
       coalesce(json_extract_string(entry, '$.apiGroups[*]'), []) AS rule_api_groups,
       coalesce(json_extract_string(entry, '$.resources[*]'), []) AS rule_resources,
       coalesce(json_extract_string(entry, '$.resourceNames[*]'), []) AS rule_resource_names,
       coalesce(json_extract_string(entry, '$.nonResourceURLs[*]'), []) AS rule_non_resource_urls
FROM whole;
