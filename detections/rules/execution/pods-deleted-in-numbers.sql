/*---
id: pods-deleted-in-numbers
title: Somebody deleted many pods
techniques: [F13]
status: stable
severity: low
confidence: medium
attack: [T1489, T1529]
threat_matrix: [MS-TA9038]
layer: cluster
control: detection
practice: runtime
needs: {verbs: [delete]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  least_pods:
    default: 10
    why: Pods deleted by one identity within twenty minutes; a deletecollection counts ten.
why: >-
  Deleting pods stops work, restarts what was patched, and removes traces.
blind_spots: >-
  Pods that end with their deleted owner.
false_positives: >-
  Restarts by hand, drains of nodes, tests.
triage:
  - Was a node drained, or an application restarted?
  - What was patched or found in these pods before?
---*/
WITH deleted AS (
    SELECT *, sum(CASE WHEN verb = 'deletecollection' THEN 10 ELSE 1 END) OVER near AS pods
    FROM requests
    WHERE resource = 'pods' AND (subresource IS NULL OR subresource = 'eviction') AND (verb IN ('delete', 'deletecollection') OR (subresource = 'eviction' AND verb = 'create')) AND succeeded(response_code)
      AND NOT (impersonated_user_name IS NULL AND (is_built_in_controller(service_account_namespace, service_account_name) OR is_node(user_name, user_groups) OR is_control_plane(user_name, user_groups, source_ip)))
    WINDOW near AS (PARTITION BY cluster, user_name, impersonated_user_name ORDER BY request_received_at RANGE BETWEEN INTERVAL 10 MINUTE PRECEDING AND INTERVAL 10 MINUTE FOLLOWING)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || coalesce(subresource || ' ', '') || coalesce(namespace || '/', '') || coalesce(name, '*') AS detail
FROM deleted WHERE pods >= $least_pods
