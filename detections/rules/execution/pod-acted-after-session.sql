/*---
id: pod-acted-after-session
title: A pod did something new after somebody had been in it
techniques: [N29]
status: stable
severity: high
confidence: medium
attack: [T1609, T1528]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  After a shell in a pod, requests with that pod's identity that its service account never made before are the
  intruder's next step.
blind_spots: >-
  Tokens carried elsewhere and used without the pod's mark. Needs credentials that name their pod (bound
  tokens).
false_positives: >-
  Debugging with the pod's own token.
triage:
  - Who is it, and is there a ticket for it?
  - What did the pod's service account do afterwards (timeline by pod)?
  - "What ran in the session: the runtime's own log knows, the audit log does not."
---*/
WITH entered AS (
    SELECT cluster, namespace, name AS pod_name, request_received_at AS entered_at, coalesce(impersonated_user_name, user_name) AS somebody
    FROM requests
    WHERE resource = 'pods' AND subresource IN ('exec', 'attach', 'ephemeralcontainers') AND verb IN ('get', 'create', 'patch', 'update') AND coalesce(succeeded(response_code), true)
),
acts AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_namespace, pod_name, verb, resource, subresource, namespace, name,
           row_number() OVER (PARTITION BY cluster, user_name, verb, resource, subresource ORDER BY request_received_at, event_id) AS place
    FROM requests
    WHERE pod_name IS NOT NULL AND resource IS NOT NULL AND service_account_name IS NOT NULL
)
SELECT a.cluster, a.event_id, a.request_received_at, a.user_name, a.impersonated_user_name, a.source_ip,
       CASE WHEN resource NOT IN ('secrets', 'pods', 'serviceaccounts', 'roles', 'rolebindings', 'clusterroles', 'clusterrolebindings') THEN 'medium' END AS severity,
       'after ' || somebody || ' had been in the pod ' || a.pod_name || ', ' || a.user_name || ' for the first time did ' || verb || ' ' || concat_ws('/', resource, subresource) || coalesce(' ' || concat_ws('/', a.namespace, a.name), '') AS detail
FROM acts AS a JOIN entered AS e ON e.cluster = a.cluster AND e.pod_name = a.pod_name AND e.namespace = a.service_account_namespace
    AND a.request_received_at BETWEEN e.entered_at AND e.entered_at + INTERVAL 15 MINUTE
WHERE place = 1
