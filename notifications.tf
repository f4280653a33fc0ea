# What people and chats are sent: the function itself writes and publishes it, as only it knows when all rollouts of a push
# have ended. Nothing here may depend on whether there is a topic, or on how many: their ARNs are unknown at plan where the
# topics are made in the same apply.

locals {
  notifications = {
    topic_arns      = try(coalesce(merge({ topic_arns = null }, var.notifications).topic_arns, []), [])
    chat_topic_arns = try(coalesce(merge({ chat_topic_arns = null }, var.notifications).chat_topic_arns, []), [])
  }

  # May hold one topic twice.
  notified_topics = concat(local.notifications.topic_arns, local.notifications.chat_topic_arns)
}
