/*---
id: admission-probed
title: Somebody tried what admission refuses, until it passed
techniques: [N18]
status: stable
severity: medium
confidence: medium
attack: [T1562.001, T1610]
threat_matrix: [MS-TA9006]
layer: cluster
control: detection
practice: admission
needs: {verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip, namespace, resource]
params:
  least_refusals:
    default: 3
    why: Refusals within fifteen minutes from which on a success looks like a way around.
why: >-
  Each refusal of an admission policy tells its author what to change. Several in a row, and then a success for
  the same kind in the same namespace, is a way around found.
blind_spots: >-
  Refusals of authorization are another matter (permission-enumeration). Attempts spread over hours.
false_positives: >-
  Developers learning a new policy.
triage:
  - What was different in the one that passed (history of the object)?
  - Does the policy need mending?
---*/
WITH tried AS (
    SELECT *, denied_by(response_code, decision, response_message) = 'admission' AND (response_message LIKE '%denied the request%' OR response_message LIKE '%violates PodSecurity%' OR response_message LIKE '%ValidatingAdmissionPolicy%') AS refused,
           succeeded(response_code) AND NOT is_dry_run(request_uri) AS passed
    FROM requests
    WHERE verb IN ('create', 'update', 'patch') AND subresource IS NULL AND resource NOT IN ('leases', 'events', 'tokenreviews', 'subjectaccessreviews')
      AND (response_code IN (400, 403, 409, 422) OR (succeeded(response_code) AND resource IN ('pods', 'deployments', 'daemonsets', 'statefulsets', 'jobs', 'cronjobs', 'replicasets')))
      AND NOT (impersonated_user_name IS NULL AND is_built_in_controller(service_account_namespace, service_account_name))
),
counted AS (
    SELECT *, count(*) FILTER (coalesce(refused, false)) OVER before AS refusals,
           bool_or(coalesce(passed, false)) OVER behind AS passed_later
    FROM tried
    WINDOW before AS (PARTITION BY cluster, user_name, impersonated_user_name, namespace, resource ORDER BY request_received_at RANGE BETWEEN INTERVAL 15 MINUTE PRECEDING AND INTERVAL 15 MINUTE FOLLOWING),
           behind AS (PARTITION BY cluster, user_name, impersonated_user_name, namespace, resource ORDER BY request_received_at RANGE BETWEEN CURRENT ROW AND INTERVAL 15 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, namespace, resource,
       CASE WHEN refusals < $least_refusals THEN 'low' WHEN NOT passed_later THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' was refused ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') || ': ' || response_message[:160] AS detail
FROM counted WHERE refused
