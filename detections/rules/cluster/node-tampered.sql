/*---
id: node-tampered
title: Somebody changed a node
techniques: [N37]
status: stable
severity: low
confidence: medium
attack: [T1498, T1610]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [nodes]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  node_controllers:
    default: [kube-system/node-controller, kube-system/ttl-controller, kube-system/attachdetach-controller, kube-system/daemon-set-controller, kube-system/cloud-controller-manager, kube-system/cloud-node-manager, kube-system/node-problem-detector, kube-system/cluster-autoscaler, kube-system/node-feature-discovery, node-feature-discovery/nfd-master, kube-system/cilium, kube-system/cilium-operator, kube-system/calico-node, kube-system/flannel, kube-flannel/flannel, karpenter/karpenter, kube-system/karpenter, gpu-operator/gpu-operator]
    why: Service accounts (namespace/name) that write nodes as their job; they are low, deletions included.
why: >-
  Labels, taints and capacity decide which pods land where. A node that calls itself part of the control plane, or that
  claims to have room for everything, draws pods and their secrets; draining the others pushes them there.
blind_spots: >-
  What a node writes about itself. The token of one of the listed controllers in somebody else's hands is low.
false_positives: >-
  Maintenance: cordon, drain and taints by people are low or informational.
triage:
  - Was there maintenance on that node?
  - Which pods moved there, or away, since?
  - Put labels and taints back.
---*/
WITH written AS (
    SELECT event_id, CASE
               WHEN subresource = 'status' THEN 'its status (capacity, conditions, addresses)'
               WHEN len(list_filter(json_keys(document, '$.metadata.labels'), lambda key: regexp_full_match(key,
                        'node-role\.kubernetes\.io/.*|node-restriction\.kubernetes\.io/.*|(.*\.)?topology\.kubernetes\.io/.*|kubernetes\.io/(hostname|role)'))) > 0
                   THEN 'the labels ' || array_to_string(json_keys(document, '$.metadata.labels'), ', ')
               WHEN list_contains(json_extract_string(document, '$.spec.taints[*].effect'), 'NoExecute') THEN 'a taint that evicts its pods'
               WHEN json_extract(document, '$.spec.taints') IS NOT NULL THEN 'its taints'
               WHEN json_extract(document, '$.spec.unschedulable') IS NOT NULL THEN 'whether pods may be scheduled there'
               WHEN json_extract(document, '$.spec.podCIDR') IS NOT NULL OR json_extract(document, '$.spec.providerID') IS NOT NULL THEN 'its network or its identity'
               ELSE 'something small' END AS change
    FROM written_documents
    WHERE resource = 'nodes' AND api_group IS NULL AND verb = 'patch' AND (subresource IS NULL OR subresource = 'status')
    UNION ALL
    SELECT event_id, 'away from it: ' || path
    FROM json_patch_removals
    WHERE resource = 'nodes' AND api_group IS NULL AND (starts_with(path, '/spec/taints') OR starts_with(path, '/metadata/labels'))
),
requested AS (
    SELECT *, took_effect(verb, level, response_code, request_uri, request_object) AS applied,
           impersonated_user_name IS NULL AND coalesce(list_contains($node_controllers, service_account_namespace || '/' || service_account_name), false) AS is_controller
    FROM requests
    WHERE resource = 'nodes' AND api_group IS NULL AND verb IN ('update', 'patch', 'delete', 'deletecollection') AND (subresource IS NULL OR subresource = 'status')
      AND response_code IS DISTINCT FROM 201
      AND NOT (impersonated_user_name IS NULL AND verb IN ('update', 'patch')
               AND ((is_node(user_name, user_groups) AND user_name = 'system:node:' || coalesce(name, '')) OR is_control_plane(user_name, user_groups, source_ip)))
)
SELECT r.cluster, r.event_id, r.request_received_at, r.user_name, r.impersonated_user_name, r.source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN is_controller THEN 'informational'
            WHEN verb = 'deletecollection' THEN 'high'
            WHEN verb = 'delete' THEN 'medium'
            WHEN starts_with(change, 'its status') OR starts_with(change, 'the labels') OR starts_with(change, 'its network')
                 OR (subresource = 'status') THEN 'high'
            WHEN starts_with(change, 'a taint') OR starts_with(change, 'away') THEN 'medium'
            WHEN change = 'something small' THEN 'informational' END AS severity,
       CASE WHEN change IS NULL AND verb IN ('update', 'patch') THEN 'low' END AS confidence,
       did(user_name, impersonated_user_name, applied, CASE WHEN starts_with(verb, 'delete') THEN 'deleted' ELSE 'changed' END,
           CASE WHEN starts_with(verb, 'delete') THEN 'delete' ELSE 'change' END) || 'node ' || coalesce(name, '*') || coalesce(': ' || change, '')
           || outcome(applied, response_code, decision, response_message) AS detail
FROM requested AS r LEFT JOIN written AS w ON w.event_id = r.event_id
-- Controllers do it all day; only a deletion of theirs is worth a line.
WHERE NOT (is_controller AND verb IN ('update', 'patch'))
