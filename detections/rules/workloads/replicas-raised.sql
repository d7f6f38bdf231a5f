/*---
id: replicas-raised
title: A workload was asked to run in very many copies
techniques: [N44]
status: stable
severity: medium
confidence: medium
attack: [T1496]
threat_matrix: [MS-TA9039]
layer: cluster
control: detection
practice: pod-security
needs: {level: Request, verbs: [create, update, patch, delete, deletecollection]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_copies:
    default: 20
    why: Copies that are many for one workload here; raise it in a big cluster.
  factor:
    default: 3
    why: From as many as this times less before; a workload that is scaled within its usual size is not meant.
why: >-
  Copies cost money and nodes: who mines, or wants the cluster's room gone, asks for many. The number is seen
  where it is asked for: in the workload, its scale subresource, an autoscaler's maximum, a job's parallelism.
blind_spots: >-
  Many workloads with few copies each. A factor cannot be told for a workload that the log shows for the first
  time; then only the number counts. New nodes and requests for graphics cards are not looked at.
false_positives: >-
  Load tests, batch jobs and big launches. An autoscaler of the cluster that raises copies within its maximum
  is left out; the maximum is judged where somebody sets it.
triage:
  - Who asked for it, and does the workload need it?
  - Which image runs in it, and since when is that image known here?
  - Scale it down; set a quota for the namespace.
---*/
WITH read AS (
    -- All paths in one reading of the document.
    SELECT cluster, event_id, request_received_at, user_name, user_groups, impersonated_user_name, service_account_namespace, service_account_name,
           source_ip, resource, subresource, namespace, object_name, applied, response_code, decision, response_message,
           json_extract_string(document, ['$.spec.replicas', '$.spec.parallelism', '$.spec.jobTemplate.spec.parallelism', '$.spec.maxReplicas']) AS numbers
    FROM written_documents
    WHERE (resource IN ('deployments', 'statefulsets', 'replicasets', 'replicationcontrollers') AND (subresource IS NULL OR subresource = 'scale')
           OR resource IN ('jobs', 'cronjobs', 'horizontalpodautoscalers') AND subresource IS NULL)
),
asked AS (
    SELECT *, try_cast(coalesce(numbers[1], numbers[2], numbers[3], numbers[4]) AS BIGINT) AS copies FROM read
),
compared AS (
    SELECT *, last_value(CASE WHEN applied THEN copies END IGNORE NULLS) OVER (
                  PARTITION BY cluster, resource, namespace, object_name ORDER BY request_received_at
                  RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING) AS before
    FROM asked
    WHERE copies IS NOT NULL
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'asked', 'ask') || 'for ' || copies || ' copies of '
           || thing(resource, NULL, namespace, object_name) || coalesce(', ' || before || ' before', '')
           || outcome(applied, response_code, decision, response_message) AS detail
FROM compared
WHERE copies >= $least_copies AND copies > coalesce(before, 0) * $factor
  AND NOT (impersonated_user_name IS NULL
           AND (is_control_plane(user_name, user_groups, source_ip)
                OR service_account_namespace = 'kube-system' AND CASE WHEN subresource = 'scale' THEN service_account_name = 'horizontal-pod-autoscaler'
                   WHEN resource = 'replicasets' THEN service_account_name = 'deployment-controller'
                   WHEN resource = 'jobs' THEN service_account_name = 'cronjob-controller' ELSE false END) IS TRUE)
UNION ALL
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, 'low' AS severity,
       did(user_name, impersonated_user_name, true, 'deleted', 'delete') || thing(resource, NULL, namespace, name) || ', which kept the namespace within limits' AS detail
FROM requests
WHERE resource IN ('resourcequotas', 'limitranges') AND subresource IS NULL AND verb IN ('delete', 'deletecollection')
  AND took_effect(verb, level, response_code, request_uri, request_object)
  AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
