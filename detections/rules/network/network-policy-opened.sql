/*---
id: network-policy-opened
title: A network policy lets everybody through
techniques: [F10]
status: stable
severity: high
confidence: medium
attack: [T1562.007]
layer: cluster
control: detection
practice: network
needs: {level: Request}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Policies add up: one that allows everything undoes the ones that deny, while all of them stay in place. An empty
  rule, the whole internet without ports, every namespace, or Cilium's and Calico's words for the same.
blind_spots: >-
  Opening one port, or one address range, that is enough for somebody who knows what they want.
false_positives: >-
  Pods that are meant to be reached by everybody; that is medium when such a policy is new.
triage:
  - Which pods does it select?
  - What did they receive from, or send to, since?
  - Put the policy back.
---*/
WITH written AS (
    SELECT *, verb = 'create' OR response_code = 201 AS created,
           list_concat(coalesce(json_extract(document, '$.spec.ingress[*]'), []), coalesce(json_extract(document, '$.specs[*].ingress[*]'), [])) AS ingress,
           list_concat(coalesce(json_extract(document, '$.spec.egress[*]'), []), coalesce(json_extract(document, '$.specs[*].egress[*]'), [])) AS egress
    FROM guard_documents
    WHERE guard = 'network' AND resource <> 'tiers'
),
judged AS (
    SELECT * EXCLUDE (ingress, egress), CASE
        WHEN list_has_any(list_transform(list_concat(ingress, egress), lambda entry: CAST(entry AS VARCHAR)), ['{}', '{"action":"Allow"}'])
            THEN 'everything'
        WHEN len(list_filter(list_concat(ingress, egress), lambda entry: json_extract(entry, '$.ports') IS NULL AND list_has_any(
                 list_concat(json_extract_string(entry, '$.from[*].ipBlock.cidr'), json_extract_string(entry, '$.to[*].ipBlock.cidr')),
                 ['0.0.0.0/0', '::/0']))) > 0 THEN 'every address on every port'
        WHEN len(list_filter(list_concat(ingress, egress), lambda entry: json_extract(entry, '$.ports') IS NULL AND list_has_any(
                 list_transform(list_concat(json_extract(entry, '$.from[*]'), json_extract(entry, '$.to[*]')), lambda peer: CAST(peer AS VARCHAR)),
                 ['{"namespaceSelector":{}}', '{"namespaces":{}}', '{"namespaceSelector":{},"podSelector":{}}', '{"podSelector":{},"namespaceSelector":{}}']))) > 0
             AND NOT (api_group = 'policy.networking.k8s.io' AND NOT coalesce(contains(document, '"Allow"') OR contains(document, '"Accept"') OR contains(document, '"Pass"'), false))
            THEN 'every namespace on every port'
        WHEN len(list_filter(list_concat(ingress, egress), lambda entry: json_extract(entry, '$.toPorts') IS NULL AND list_has_any(
                 list_concat(json_extract_string(entry, '$.fromEntities[*]'), json_extract_string(entry, '$.toEntities[*]')), ['all', 'world']))) > 0
            THEN 'the whole world'
        WHEN json_extract_string(document, '$.spec.enableDefaultDeny.ingress') = 'false' OR json_extract_string(document, '$.spec.enableDefaultDeny.egress') = 'false'
            THEN 'what no rule allows'
        WHEN NOT (verb = 'create' OR response_code = 201) AND len(json_extract(document, '$.spec.policyTypes[*]')) < len(json_extract(before, '$.spec.policyTypes[*]'))
            THEN 'one direction, by no longer judging it'
    END AS opened
    FROM written
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'low'
            WHEN created THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, 'opened', 'open') || thing(resource, subresource, namespace, object_name) || ' (' || tool || ') for ' || opened
           || outcome(applied, response_code, decision, response_message) AS detail
FROM judged WHERE opened IS NOT NULL
UNION ALL
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'opened', 'open') || thing(resource, subresource, namespace, name) || ' by removing ' || path
           || outcome(applied, response_code, decision, response_message) AS detail
FROM json_patch_removals
WHERE resource IN ('networkpolicies', 'globalnetworkpolicies') AND starts_with(path, '/spec/policyTypes')
