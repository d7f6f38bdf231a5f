/*---
id: resources-hijacked-by-scale
title: A workload was scaled far beyond what it was
techniques: [N44]
status: stable
severity: medium
confidence: medium
attack: [T1496, T1499]
threat_matrix: [MS-TA9039]
layer: cluster
control: detection
practice: pod-security
needs: {level: Request, verbs: [create, update, patch, delete]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  many_copies:
    default: 100
    why: Copies of one workload from which on somebody should look.
why: >-
  Hundreds of copies, a quota taken away, or a first request for GPUs pay for somebody else's computing, or
  starve everybody else.
blind_spots: >-
  Growth in small steps; autoscalers of the cloud.
false_positives: >-
  Load tests and sales.
triage:
  - Who pays for it, and was it planned?
  - Scale back; put the quota back.
---*/
WITH wanted AS (
    SELECT *, coalesce(TRY_CAST(json_extract_string(document, '$.spec.replicas') AS BIGINT), TRY_CAST(json_extract_string(document, '$.spec.maxReplicas') AS BIGINT), TRY_CAST(json_extract_string(document, '$.spec.parallelism') AS BIGINT)) AS copies
    FROM written_documents
    WHERE resource IN ('deployments', 'statefulsets', 'replicasets', 'replicationcontrollers', 'jobs', 'horizontalpodautoscalers') AND coalesce(subresource, 'scale') = 'scale'
      AND regexp_matches(document, '"(replicas|maxReplicas|parallelism)"')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' asked for ' || copies || ' copies of ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(object_name, '') || outcome(applied, response_code, decision, response_message) AS detail
FROM wanted
WHERE copies >= $many_copies AND NOT (impersonated_user_name IS NULL AND is_built_in_controller(service_account_namespace, service_account_name))
UNION ALL
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, 'low' AS severity,
       actor(user_name, impersonated_user_name) || ' deleted ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '*') AS detail
FROM requests
WHERE resource IN ('resourcequotas', 'limitranges') AND verb IN ('delete', 'deletecollection') AND succeeded(response_code)
  AND NOT (impersonated_user_name IS NULL AND is_built_in_controller(service_account_namespace, service_account_name))
