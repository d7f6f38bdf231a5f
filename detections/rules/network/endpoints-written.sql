/*---
id: endpoints-written
title: Somebody wrote by hand where a service's traffic goes
techniques: [N38]
status: stable
severity: high
confidence: medium
attack: [T1557, T1565]
threat_matrix: [MS-TA9036]
layer: cluster
control: detection
practice: network
needs: {level: Metadata, resources: [endpoints, endpointslices]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Endpoints are kept by controllers. An address that a person adds to a service's EndpointSlice gets a share of what
  its clients send, inside the cluster or outside of it, and nothing in the service itself looks different.
blind_spots: >-
  The token of a controller in somebody else's hands. At level Metadata, which address it was.
false_positives: >-
  Services without a selector, whose endpoints are kept by hand on purpose. Databases that elect their leader by an
  Endpoints object write it in their own namespace and are low.
triage:
  - Whose address is it?
  - Which service is meant (label kubernetes.io/service-name), and what do its clients send?
  - Delete the slice; the controllers write their own again.
---*/
WITH written AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied,
           list_concat(json_extract_string(request_object, '$.endpoints[*].addresses[*]'), json_extract_string(request_object, '$.subsets[*].addresses[*].ip')) AS addresses,
           impersonated_user_name IS NULL AND service_account_name IS NOT NULL AS by_software
    FROM requests
    WHERE resource IN ('endpoints', 'endpointslices') AND subresource IS NULL AND verb IN ('create', 'update', 'patch')
      AND (api_group IS NULL OR api_group = 'discovery.k8s.io')
      AND NOT is_own_machinery(user_name, user_groups, source_ip, impersonated_user_name, service_account_namespace, service_account_name)
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            -- A leader's lock: an Endpoints object without an address.
            WHEN resource = 'endpoints' AND request_object IS NOT NULL AND len(addresses) = 0 AND json_type(request_object) = 'OBJECT' THEN 'informational'
            WHEN by_software AND service_account_namespace = namespace THEN 'low'
            WHEN by_software THEN 'medium' END AS severity,
       CASE WHEN request_object IS NULL THEN 'low' END AS confidence,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, name)
           || coalesce(' for service ' || json_extract_string(request_object, '$.metadata.labels."kubernetes.io/service-name"'), '')
           || coalesce(' with ' || nullif(array_to_string(addresses, ', '), ''), '') || outcome(applied, response_code, decision, response_message) AS detail
FROM written
