/*---
id: pod-security-weakened
title: A namespace lets more dangerous pods in
techniques: [N24]
status: stable
severity: high
confidence: high
attack: [T1562.001]
layer: cluster
control: detection
practice: pod-security
needs: {level: Request, resources: [namespaces]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Pod Security Admission reads one label of the namespace. Who may change it decides whether privileged pods and host
  paths are refused there; who takes it away falls back to the cluster's default, which refuses nothing unless
  somebody set one.
blind_spots: >-
  A default or an exemption in the kube-apiserver's own configuration, which no request shows. A whole replacement, or
  a JSON patch of all labels, when the log does not show what stood there before.
false_positives: >-
  Moving storage, network and monitoring agents into a namespace of their own; those come with privileged from the start.
triage:
  - Which pods were created there since that the label would have refused?
  - Was it agreed on, and for this namespace?
  - Put the label back; pods that run already are not touched by that.
---*/
WITH writes AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, object_name, verb, form, applied,
           response_code, decision, response_message,
           json_extract_string(document, '$.metadata.labels."pod-security.kubernetes.io/enforce"') AS sets,
           json_extract_string(document, '$.metadata.labels."pod-security.kubernetes.io/enforce-version"') AS sets_version,
           coalesce(json_type(document, '$.metadata.labels."pod-security.kubernetes.io/enforce"') = 'NULL', false) AS removes,
           CASE WHEN merged IS NOT NULL THEN coalesce(json_extract_string(merged, '$.metadata.labels."pod-security.kubernetes.io/enforce"'), 'nothing')
                WHEN form = 'object' THEN coalesce(json_extract_string(document, '$.metadata.labels."pod-security.kubernetes.io/enforce"'), 'nothing') END AS after
    FROM written_documents
    WHERE resource = 'namespaces' AND subresource IS NULL
    UNION ALL
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, name, verb, 'json-patch', applied,
           response_code, decision, response_message, NULL, NULL, true, 'nothing'
    FROM json_patch_removals
    WHERE resource = 'namespaces' AND path IN ('/metadata/labels/pod-security.kubernetes.io/enforce', '/metadata/labels')
),
states AS (
    SELECT *, CASE WHEN removes THEN 'nothing' ELSE coalesce(sets, after) END AS now,
           last_value(CASE WHEN applied THEN CASE WHEN removes THEN 'nothing' ELSE coalesce(after, sets) END END IGNORE NULLS) OVER (
               PARTITION BY cluster, object_name ORDER BY request_received_at
               RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING) AS before,
           verb = 'create' OR response_code = 201 AS created
    FROM writes
),
ranked AS (
    SELECT *, coalesce(list_position(['baseline', 'restricted'], now), 0) AS strictness,
           coalesce(list_position(['baseline', 'restricted'], before), 0) AS old_strictness
    FROM states
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR sets_version IS NOT NULL AND sets IS NULL THEN 'low'
            -- A namespace that begins as privileged is somebody's decision; one that becomes it had another before.
            WHEN created THEN CASE WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'low' ELSE 'medium' END
            WHEN strictness = 1 THEN 'medium' END AS severity,
       CASE WHEN before IS NULL AND NOT created THEN 'medium' END AS confidence,
       did(user_name, impersonated_user_name, applied, CASE WHEN created THEN 'created' ELSE 'changed' END, CASE WHEN created THEN 'create' ELSE 'change' END)
           || 'namespace ' || coalesce(object_name, '*') || ', where Pod Security Admission now enforces '
           || CASE WHEN sets_version IS NOT NULL AND sets IS NULL THEN 'its rules of ' || sets_version ELSE coalesce(now, 'nothing') END
           || CASE WHEN NOT created THEN coalesce(' instead of ' || before, '') ELSE '' END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM ranked
WHERE ((created AND sets = 'privileged')
       OR (NOT created AND (sets IS NOT NULL OR removes OR (after IS NOT NULL AND before IS NOT NULL))
           AND CASE WHEN before IS NULL THEN removes OR now = 'privileged' ELSE strictness < old_strictness END)
       OR (NOT created AND form <> 'object' AND sets IS NULL AND sets_version IS NOT NULL AND sets_version <> 'latest'))
  AND (impersonated_user_name IS NOT NULL OR user_name IS DISTINCT FROM 'system:kube-controller-manager')
