param given string
param wanted string

output all string = '${given}${wanted}'
