/*---
id: image-by-mutable-tag
title: A container runs an image by a tag that can change
techniques: [C13]
status: stable
severity: informational
confidence: high
attack: [T1525]
layer: code
control: prevention
practice: supply-chain
needs: {level: Request, verbs: [create, update, patch], resources: [pods, deployments, daemonsets, statefulsets, jobs, cronjobs, replicasets]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  latest, or no tag at all, is whatever the registry says at the next pull: nobody can tell afterwards what ran.
blind_spots: >-
  Other tags move as well; only a digest is fixed.
false_positives: >-
  Common in development.
triage:
  - Pin the image by digest.
  - Which digest ran? The kubelet's status says it, the audit log does not.
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       who || ' wrote ' || workload || ' with ' || image || outcome_words AS detail
FROM workload_containers
WHERE authored AND image_tag(image) = 'latest'
