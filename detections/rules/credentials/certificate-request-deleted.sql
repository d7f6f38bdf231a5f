/*---
id: certificate-request-deleted
title: A certificate request was deleted by hand
techniques: [B18]
status: stable
severity: low
confidence: medium
attack: [T1070]
layer: cluster
control: detection
practice: rbac
needs: {verbs: [delete]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Requests vanish by themselves within hours. Who deletes one may be tidying away what they asked for.
blind_spots: >-
  The cluster's own cleaning takes the rest.
false_positives: >-
  GitOps that prunes.
triage:
  - Was the certificate issued? The request's approval says it.
  - Who deleted it, and did they ask for it themselves?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'informational' END AS severity,
       actor(user_name, impersonated_user_name) || ' deleted certificate request ' || coalesce(name, '*') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'certificatesigningrequests' AND subresource IS NULL AND verb IN ('delete', 'deletecollection') AND NOT (impersonated_user_name IS NULL AND (is_control_plane(user_name, user_groups, source_ip) OR is_built_in_controller(service_account_namespace, service_account_name)))
