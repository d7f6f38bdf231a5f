/*---
id: workload-activity
title: Workloads were created or changed
techniques: [C17, C20]
status: stable
severity: informational
confidence: high
attack: [T1610]
threat_matrix: [MS-TA9008]
layer: cluster
control: detection
practice: runtime
needs: {verbs: [create, update, patch]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  The stream of who deploys what: nothing to follow alone, and what one wants beside a finding.
blind_spots: >-
  Bare pods, which other rules tell of.
false_positives: >-
  All of it.
triage:
  - Read it beside the findings about the same identity.
  - Compare with what was announced for that day.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') AS detail
FROM requests
WHERE resource IN ('deployments', 'statefulsets', 'jobs', 'replicationcontrollers') AND subresource IS NULL AND verb IN ('create', 'update', 'patch') AND succeeded(response_code)
  AND NOT is_dry_run(request_uri)
  AND NOT (impersonated_user_name IS NULL AND (is_built_in_controller(service_account_namespace, service_account_name) OR is_control_plane(user_name, user_groups, source_ip)))
