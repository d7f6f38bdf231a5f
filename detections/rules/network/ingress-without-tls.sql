/*---
id: ingress-without-tls
title: An ingress was written without TLS
techniques: [F08]
status: stable
severity: informational
confidence: medium
attack: [T1040]
layer: cluster
control: prevention
practice: network
needs: {level: Request, resources: [ingresses]}
window: 1d
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  What comes in without TLS can be read on the way, passwords and cookies included. Taking TLS away from an ingress
  that had it is low rather than informational.
blind_spots: >-
  Gateways (Gateway API), and services that are open by themselves.
false_positives: >-
  TLS that ends at a load balancer in front, or a default certificate of the ingress controller.
triage:
  - Where does TLS end for this host?
  - Was there a certificate before?
---*/
WITH written AS (
    SELECT *, verb = 'create' OR response_code = 201 AS created, json_type(document, '$.spec.tls') AS tls,
           coalesce(json_array_length(document, '$.spec.tls'), 0) AS certificates
    FROM written_documents
    WHERE resource = 'ingresses' AND api_group IN ('networking.k8s.io', 'extensions') AND subresource IS NULL
    UNION ALL BY NAME
    SELECT *, name AS object_name, false AS created, 'NULL' AS tls, 0 AS certificates
    FROM json_patch_removals
    WHERE resource = 'ingresses' AND path IN ('/spec/tls', '/spec/tls/0')
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN applied AND NOT created AND tls IS NOT NULL THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, CASE WHEN created THEN 'created' ELSE 'changed' END, CASE WHEN created THEN 'create' ELSE 'change' END)
           || thing(resource, subresource, namespace, object_name) || ' without TLS' || outcome(applied, response_code, decision, response_message) AS detail
FROM written
WHERE certificates = 0 AND (created OR tls IS NOT NULL)
