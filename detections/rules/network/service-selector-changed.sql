/*---
id: service-selector-changed
title: A service was turned to other pods
techniques: [N38]
status: stable
severity: medium
confidence: low
attack: [T1557, T1565]
threat_matrix: [MS-TA9036]
layer: cluster
control: detection
practice: network
needs: {level: Request, resources: [services]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Whoever changes the selector of a service decides which pods get what its clients send. Taken away altogether, it
  leaves the service to endpoints that somebody writes by hand.
blind_spots: >-
  Pods that are given the labels of somebody else's service. A replacement when the log does not show what stood there.
false_positives: >-
  Switching from one version of a workload to the next by hand; tools that do it are informational.
triage:
  - Which pods match now, and who made them?
  - Was it part of a release?
---*/
WITH turned AS (
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, subresource, namespace,
           object_name, applied, response_code, decision, response_message, old_selector, selector AS new_selector
    FROM service_writes
    WHERE subresource IS NULL AND NOT created AND selector IS NOT NULL AND selector IS DISTINCT FROM old_selector
      AND (form <> 'object' OR old_selector IS NOT NULL)
      -- A patch names the keys that change; the rest stays.
      AND NOT (form <> 'object' AND old_selector IS NOT NULL AND coalesce(json_contains(old_selector, selector), false))
    UNION ALL
    SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip, service_account_name, resource, subresource, namespace,
           name, applied, response_code, decision, response_message, NULL, 'nothing'
    FROM json_patch_removals
    WHERE resource = 'services' AND api_group IS NULL AND starts_with(path, '/spec/selector')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'informational' END AS severity,
       did(user_name, impersonated_user_name, applied, 'turned', 'turn') || thing(resource, subresource, namespace, object_name) || ' to pods with ' || new_selector
           || coalesce(' instead of ' || old_selector, '') || outcome(applied, response_code, decision, response_message) AS detail
FROM turned
