# Whether there are to be alarms. Of a value that is unknown at plan its type alone is known: so the input has one here, and
# the keys of the type are counted. null has none.

output "answer" {
  description = "Whether alarms is an object."
  value       = length(merge({ none = null }, var.alarms)) > 1
}
