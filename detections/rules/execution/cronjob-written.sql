/*---
id: cronjob-written
title: A CronJob was written
techniques: [C16]
status: stable
severity: low
confidence: high
attack: [T1053.007]
threat_matrix: [MS-TA9012]
layer: container
control: detection
practice: runtime
needs: {verbs: [create, update, patch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease]
    why: Namespaces that belong to the cluster itself.
why: >-
  A CronJob comes back by itself: the usual way to stay in a cluster.
blind_spots: >-
  What other controllers schedule.
false_positives: >-
  Releases.
triage:
  - What does it run, and as which service account?
  - Who wrote it?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) OR is_dry_run(request_uri) THEN 'informational' WHEN list_contains($system_namespaces, namespace) AND verb <> 'update' THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' wrote CronJob ' || coalesce(namespace || '/', '') || coalesce(name, '') || coalesce(' (' || json_extract_string(request_object, '$.spec.schedule') || ')', '') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'cronjobs' AND subresource IS NULL AND verb IN ('create', 'update', 'patch')
  AND NOT (impersonated_user_name IS NULL AND is_built_in_controller(service_account_namespace, service_account_name))
