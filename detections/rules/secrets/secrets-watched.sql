/*---
id: secrets-watched
title: Secrets were read by watching them
techniques: [B05]
status: stable
severity: high
confidence: medium
attack: [T1552.007]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {level: Metadata, resources: [secrets], verbs: [watch]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A watch that starts at no version, or asks for initial events, returns every secret in its scope without a
  single list or get.
blind_spots: >-
  A watch that starts at a version of its own returns only what changes; it is not shown for service accounts.
false_positives: >-
  People who run kubectl get secrets -w; controllers written without an informer.
triage:
  - Is it a person, or a service account whose software does not watch secrets?
  - How long did it last, and what else did the same credential do?
  - Rotate what was in its scope if nobody can explain it.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN namespace IS NOT NULL OR name IS NOT NULL THEN 'medium' END AS severity,
       actor(user_name, impersonated_user_name) || ' watched the secrets of ' || coalesce(namespace, 'the whole cluster') || ' from their present state' AS detail
FROM requests
WHERE resource = 'secrets' AND subresource IS NULL AND verb = 'watch' AND succeeded(response_code)
  AND (impersonated_user_name IS NOT NULL OR NOT (
      is_control_plane(user_name, user_groups, source_ip)
      OR is_built_in_controller(service_account_namespace, service_account_name)
      -- A kubelet watches the secrets of its own pods one by one; the node authorizer allows it nothing else.
      OR (is_node(user_name, user_groups) AND name IS NOT NULL)))
  AND (service_account_name IS NULL OR impersonated_user_name IS NOT NULL
       OR list_contains(query_values(request_uri, 'sendInitialEvents'), 'true')
       OR coalesce(query_values(request_uri, 'resourceVersion')[1], '') IN ('', '0'))
