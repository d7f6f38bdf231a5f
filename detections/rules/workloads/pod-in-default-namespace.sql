/*---
id: pod-in-default-namespace
title: A workload was put into the default namespace
techniques: [C14]
status: stable
severity: informational
confidence: high
attack: [T1610]
layer: cluster
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  Policies, quotas and network rules are made for namespaces; what lies in default usually has none of them.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object.
false_positives: >-
  Trying things out.
triage:
  - Does the namespace have policies?
  - Who is it, and why there?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       who || ' wrote ' || workload || outcome_words AS detail
FROM workloads
WHERE namespace = 'default' AND authored AND verb IN ('create', 'patch')
