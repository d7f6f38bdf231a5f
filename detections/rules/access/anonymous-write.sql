/*---
id: anonymous-write
title: Somebody without a credential tried to change the cluster
techniques: [A02]
status: stable
severity: critical
confidence: high
attack: [T1190, T1610]
threat_matrix: [MS-TA9005, MS-TA9008]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
window: 1h
entity: [user_name, source_ip]
why: >-
  An anonymous write that succeeds hands the cluster to anybody on the network. One that is refused shows that
  somebody tries.
blind_spots: >-
  Writes through an authenticating proxy that renames the anonymous user and its group.
false_positives: >-
  None is known. Reviews of one's own rights (can-i) are left out.
triage:
  - Did it succeed? Then treat what it wrote as hostile and remove it.
  - Which binding allowed it? decision_reason names it.
  - Block the address and look for what else it did.
---*/
SELECT cluster, event_id, request_received_at, user_name, source_ip,
       CASE WHEN succeeded(response_code) AND NOT is_dry_run(request_uri) THEN 'critical' ELSE 'medium' END AS severity,
       verb || ' ' || coalesce(nullif(concat_ws('/', resource, subresource, namespace, name), ''), uri_path(request_uri))
           || CASE WHEN succeeded(response_code) THEN ' succeeded' ELSE ' was refused (' || response_code || ')' END AS detail
FROM requests
WHERE is_anonymous(user_name, user_groups)
  AND verb IN ('create', 'update', 'patch', 'delete', 'deletecollection')
  AND coalesce(resource, '') NOT IN ('selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'selfsubjectreviews')
