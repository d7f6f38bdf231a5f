/*---
id: static-pod-appeared
title: A pod came from a file on a node
techniques: [C24]
status: stable
severity: medium
confidence: medium
attack: [T1610]
threat_matrix: [MS-TA9012]
layer: cluster
control: detection
practice: cluster-components
needs: {verbs: [create]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  known_static_pods:
    default: [kube-apiserver, kube-controller-manager, kube-scheduler, etcd, kube-vip, haproxy, keepalived]
    why: Names, before the node's, of the static pods that control-plane nodes run in kube-system.
why: >-
  A static pod is written on the node itself: whoever has the node's disk starts what they like, past every
  admission check. Its mirror is all the cluster sees.
blind_spots: >-
  Static pods whose mirror the kube-apiserver refuses are invisible.
false_positives: >-
  The control plane of kubeadm clusters: known_static_pods holds their names in kube-system.
triage:
  - Log in to the node and read its manifests folder.
  - Who had access to the node's disk?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) THEN 'high' END AS severity,
       'the kubelet of ' || coalesce(user_name, '') || ' showed the static pod ' || coalesce(namespace || '/', '') || coalesce(name, '') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE resource = 'pods' AND subresource IS NULL AND verb = 'create' AND is_node(user_name, user_groups) AND impersonated_user_name IS NULL
  AND NOT (namespace = 'kube-system' AND len(list_filter($known_static_pods, lambda known: starts_with(name, known || '-'))) > 0 AND coalesce(succeeded(response_code), response_code IS NULL))
