/*---
id: service-account-outside-cluster
title: A program's identity came from the internet
techniques: [A09]
status: stable
severity: high
confidence: medium
attack: [T1528, T1078.004, T1550.001]
threat_matrix: [MS-TA9016]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1d
entity: [user_name, source_ip]
params:
  own_networks:
    default: []
    why: Addresses and CIDRs of your own that look public, such as the address translation of your clusters or of your CI.
why: >-
  Service accounts live in pods and kubelets on nodes. A token that a pod was given, or a node's or a built-in
  controller's credential, which is shown from a public address was most likely carried out of the cluster.
blind_spots: >-
  A thief inside the private network, or behind the same address translation as the nodes. A node that has
  public addresses only is not judged. An address that claims to come from elsewhere does not help: only the last hop counts.
false_positives: >-
  Pods that reach the kube-apiserver through an address translation which their nodes do not use; CI outside of
  the cluster that was given a token of its own (low, because such a token is bound to no pod).
triage:
  - Whose address is it? If it is your own, put it under own_networks.
  - What did this identity do from there, and was the answer 2xx?
  - Delete the pod, or the token's secret or service account, which ends the credential; then look for where it was read.
---*/
SELECT a.cluster, a.event_id, a.first_at AS request_received_at, a.user_name, a.source_ip,
       CASE WHEN a.pod_uid IS NULL AND NOT a.node AND NOT is_built_in_controller(a.service_account_namespace, a.service_account_name) THEN 'low' END AS severity,
       a.user_name || CASE WHEN a.pod_uid IS NOT NULL THEN ' with the token of pod ' || coalesce(a.pod_name, a.pod_uid) ELSE '' END
           || ' came from the public address ' || a.source_ip || ' (' || a.requests || ' requests within the hour)' AS detail
FROM appearances AS a
WHERE a.public AND (a.service_account_name IS NOT NULL OR a.node) AND NOT in_networks(a.source_ip, $own_networks)
  AND NOT EXISTS (SELECT 1 FROM cluster_addresses AS c WHERE c.cluster = a.cluster AND c.source_ip = a.source_ip)
