/*---
id: leader-lease-taken
title: Somebody wrote the lease of a component
techniques: [N48]
status: stable
severity: high
confidence: medium
attack: [T1489]
threat_matrix: [MS-TA9040]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [leases]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  cloud_users:
    default: ["system:cloud-controller-manager", "cloud-controller-manager"]
    why: Users that hold the lease of the cloud controller manager without being a service account.
why: >-
  Who holds the lease of the scheduler or the controller manager stops it: the real one waits to become the leader. A
  node's lease that somebody else renews lets a dead node look alive.
blind_spots: >-
  Leases are left out of many audit policies. The lease of an operator, taken by another service account.
false_positives: >-
  Deleting a stuck lease by hand.
triage:
  - Who holds the lease now (spec.holderIdentity), and is that process real?
  - Does the component still work? Pods that stay pending say no.
---*/
WITH written AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied,
           namespace = 'kube-system' AND name IN ('kube-controller-manager', 'kube-scheduler', 'cloud-controller-manager') AS is_component,
           namespace = 'kube-node-lease' AS is_heartbeat
    FROM requests
    WHERE resource = 'leases' AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection') AND subresource IS NULL
      AND NOT is_cleaning(verb, user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
      AND NOT (impersonated_user_name IS NULL AND (
          is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)
          -- A node renews its own heartbeat; a service account holds locks of its own software.
          OR (is_node(user_name, user_groups) AND user_name = 'system:node:' || coalesce(name, json_extract_string(request_object, '$.metadata.name'), ''))
          OR (service_account_name IS NOT NULL AND namespace IS DISTINCT FROM 'kube-node-lease'
              AND NOT (namespace = 'kube-system' AND name IN ('kube-controller-manager', 'kube-scheduler')))
          OR (name = 'cloud-controller-manager' AND list_contains($cloud_users, user_name))))
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN is_component THEN 'high' WHEN is_heartbeat THEN 'medium' ELSE 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, CASE WHEN starts_with(verb, 'delete') THEN 'deleted' ELSE 'wrote' END,
           CASE WHEN starts_with(verb, 'delete') THEN 'delete' ELSE 'write' END) || thing(resource, subresource, namespace, name)
           || coalesce(' for ' || json_extract_string(request_object, '$.spec.holderIdentity'), '')
           || outcome(applied, response_code, decision, response_message) AS detail
FROM written
WHERE is_component OR is_heartbeat OR service_account_name IS NULL OR impersonated_user_name IS NOT NULL
