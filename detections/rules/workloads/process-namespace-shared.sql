/*---
id: process-namespace-shared
title: Containers of a pod share their processes
techniques: [D08]
status: stable
severity: low
confidence: high
attack: [T1055, T1552.001]
threat_matrix: [MS-TA9018]
layer: container
control: prevention
practice: pod-security
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  With shareProcessNamespace a sidecar reads the environment, the files and the memory of its neighbours.
blind_spots: >-
  Pods that never pass the kube-apiserver's audit log (static pods), and what an admission webhook adds where
  the level hides the stored object.
false_positives: >-
  Debugging sidecars, and a few agents.
triage:
  - Who wrote it, and was it agreed on?
  - What else did this identity write, and did a pod of it run (timeline of the namespace)?
  - Delete the workload; treat its node as taken until shown otherwise.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied OR NOT authored THEN 'informational' END AS severity,
       who || ' wrote ' || workload || ' with shareProcessNamespace' || outcome_words AS detail
FROM pod_risks
WHERE risk = 'share_process_namespace'
