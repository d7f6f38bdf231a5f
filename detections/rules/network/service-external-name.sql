/*---
id: service-external-name
title: A service sends its clients somewhere else by name
techniques: [N38]
status: stable
severity: medium
confidence: medium
attack: [T1557]
threat_matrix: [MS-TA9036]
layer: cluster
control: detection
practice: network
needs: {level: Request, resources: [services]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  dangerous_names:
    default: [metadata.google.internal, 169.254.169.254, localhost, kubernetes.default.svc, kubernetes.default.svc.cluster.local]
    why: Names that nothing in a cluster should reach by way of a service.
why: >-
  A service of type ExternalName is an alias in the cluster's DNS: whoever asks for it talks to the other name, with
  whatever password it sends. Turning a service that is in use into one diverts its clients.
blind_spots: >-
  A service of an own name without a selector and with endpoints written by hand: see endpoints-written.
false_positives: >-
  Databases and APIs outside the cluster; a deployment tool that puts them there is low.
triage:
  - Whose is the other name?
  - Who talks to this service, and what do they send? Rotate it if the name is a stranger's.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN list_contains($dangerous_names, rtrim(lower(external_name), '.')) THEN 'high'
            WHEN coalesce(old_type, 'ExternalName') <> 'ExternalName' OR (NOT created AND old_type IS NULL AND service_type IS NOT NULL AND form <> 'object') THEN 'high'
            WHEN (impersonated_user_name IS NULL AND service_account_name IS NOT NULL) OR ends_with(rtrim(lower(external_name), '.'), '.svc.cluster.local') THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'pointed', 'point') || thing(resource, subresource, namespace, object_name) || ' to ' || external_name
           || CASE WHEN coalesce(old_type, 'ExternalName') <> 'ExternalName' THEN ', which was a ' || old_type ELSE coalesce(' instead of ' || old_external_name, '') END
           || outcome(applied, response_code, decision, response_message) AS detail
FROM service_writes
WHERE subresource IS NULL AND external_name IS NOT NULL AND coalesce(service_type, 'ExternalName') = 'ExternalName'
  AND external_name IS DISTINCT FROM old_external_name
