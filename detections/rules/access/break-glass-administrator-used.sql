/*---
id: break-glass-administrator-used
title: A credential of system:masters was used
techniques: [A12, N09]
status: stable
severity: low
confidence: high
attack: [T1078.001]
threat_matrix: [MS-TA9019]
layer: cluster
control: detection
practice: rbac
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  system:masters passes every authorization check and cannot be taken back before its certificate ends. It is
  for the day when nothing else works.
blind_spots: >-
  Administrators of other groups: bindings decide what they may.
false_positives: >-
  Setting up and upgrading a cluster; clouds that give it to their own services.
triage:
  - Who holds this certificate?
  - Why was no personal identity used?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN verb IN ('create', 'update', 'patch', 'delete', 'deletecollection') OR resource = 'secrets' THEN NULL ELSE 'informational' END AS severity,
       user_name || ' as system:masters from ' || coalesce(source_ip, '') || ' ' || verb || ' ' || coalesce(concat_ws('/', resource, subresource), uri_path(request_uri)) AS detail
FROM requests
WHERE (list_contains(user_groups, 'system:masters') OR list_contains(user_groups, 'kubeadm:cluster-admins')) AND NOT is_control_plane(user_name, user_groups, source_ip)
  AND NOT (verb IN ('get', 'list', 'watch') AND resource IS NULL)
