/*---
id: node-registered-by-another
title: A node was registered by somebody else than itself
techniques: [F05]
status: stable
severity: high
confidence: medium
attack: [T1098, T1133]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Metadata, resources: [nodes], verbs: [create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  node_makers:
    default: [karpenter/karpenter, kube-system/karpenter, kube-system/cluster-autoscaler, kube-system/cloud-controller-manager, kube-system/virtual-kubelet]
    why: Service accounts (namespace/name) that create Node objects as their job.
why: >-
  A kubelet registers itself, under its own name. A node that somebody else writes draws pods, and their secrets with
  them, to a machine that nobody set up.
blind_spots: >-
  A kubelet with a stolen bootstrap token registers like any other: see node-outside-inventory.
false_positives: >-
  Virtual kubelets and simulators of nodes: add them.
triage:
  - Is there a machine of that name, and whose?
  - Which pods were bound to it?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT took_effect(verb, level, response_code, request_uri, request_object)
            -- A kubelet that was there before asks again when it starts.
            THEN CASE WHEN response_code = 409 THEN 'informational' ELSE 'low' END
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, took_effect(verb, level, response_code, request_uri, request_object), 'registered', 'register')
           || 'node ' || coalesce(name, json_extract_string(request_object, '$.metadata.name'), '')
           || outcome(took_effect(verb, level, response_code, request_uri, request_object), response_code, decision, response_message) AS detail
FROM requests
WHERE resource = 'nodes' AND api_group IS NULL AND verb = 'create' AND subresource IS NULL
  AND NOT (impersonated_user_name IS NULL AND (
      (is_node(user_name, user_groups) AND user_name = 'system:node:' || coalesce(name, json_extract_string(request_object, '$.metadata.name'), ''))
      OR coalesce(list_contains($node_makers, service_account_namespace || '/' || service_account_name), false)))
