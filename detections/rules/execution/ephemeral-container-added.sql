/*---
id: ephemeral-container-added
title: Somebody put a debugging container into a running pod
techniques: [C08]
status: stable
severity: medium
confidence: high
attack: [T1609, T1611]
threat_matrix: [MS-TA9006]
layer: container
control: detection
practice: runtime
needs: {verbs: [patch, update]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  An ephemeral container shares the pod's network, and its processes if asked, and brings whatever image its
  author likes: exec for pods that have no shell.
blind_spots: >-
  What it does.
false_positives: >-
  kubectl debug by the pod's owners.
triage:
  - Who is it, and is there a ticket for it?
  - What did the pod's service account do afterwards (timeline by pod)?
  - "What ran in the session: the runtime's own log knows, the audit log does not."
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) OR is_dry_run(request_uri) THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' added ' || coalesce(array_to_string(json_extract_string(request_object, '$.spec.ephemeralContainers[*].image'), ', '), 'a container') || ' to ' || coalesce(namespace || '/', '') || coalesce(name, '') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'pods' AND subresource = 'ephemeralcontainers' AND verb IN ('patch', 'update')
