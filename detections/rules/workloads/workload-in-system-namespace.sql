/*---
id: workload-in-system-namespace
title: Somebody put a workload into a system namespace
techniques: [C15]
status: stable
severity: medium
confidence: medium
attack: [T1610, T1036.005]
threat_matrix: [MS-TA9023]
layer: cluster
control: detection
practice: cluster-components
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
params:
  system_namespaces:
    default: [kube-system, kube-public, kube-node-lease]
    why: Namespaces that belong to the cluster itself.
why: >-
  Among system pods nobody looks twice, and the service accounts of system namespaces can do nearly everything.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object. What is written in other namespaces that matter to you: see the parameter.
false_positives: >-
  Installing and upgrading add-ons.
triage:
  - Which change asked for it?
  - Which service account does it run as, and what may that do?
  - Compare name and image with the component it resembles.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR coalesce(impersonated_user_name IS NULL AND service_account_namespace = namespace, false) OR NOT (verb = 'create' OR response_code = 201 OR resource = 'pods') THEN 'low' END AS severity,
       who || ' wrote ' || workload || outcome_words AS detail
FROM workloads
WHERE list_contains($system_namespaces, namespace) AND authored
