// A table for Belay's audit trail in a Log Analytics workspace, a data collection rule that
// fills it, and Belay's right to send to that rule. docs/siem.md says how it is used.

@description('Name of the Log Analytics workspace, in this resource group.')
param workspace string

@description('Object id of Belay\'s service principal.')
param principal string

@description('How long the table keeps an event, in days.')
param retention int = 400

param location string = resourceGroup().location

// adapters/siem/target holds these columns against what Belay sends.
var columns = [
  { name: 'TimeGenerated', type: 'datetime' }
  { name: 'EventUid', type: 'string' }
  { name: 'Kind', type: 'string' }
  { name: 'ClassName', type: 'string' }
  { name: 'TypeUid', type: 'int' }
  { name: 'Severity', type: 'string' }
  { name: 'Status', type: 'string' }
  { name: 'RequestId', type: 'string' }
  { name: 'Sequence', type: 'long' }
  { name: 'Message', type: 'string' }
  { name: 'Event', type: 'dynamic' }
]

resource logs 'Microsoft.OperationalInsights/workspaces@2022-10-01' existing = {
  name: workspace
}

resource table 'Microsoft.OperationalInsights/workspaces/tables@2022-10-01' = {
  parent: logs
  name: 'Belay_CL'
  properties: {
    totalRetentionInDays: retention
    schema: {
      name: 'Belay_CL'
      columns: [for c in columns: {
        name: c.name
        type: c.type == 'datetime' ? 'dateTime' : c.type
      }]
    }
  }
}

// A rule of the kind Direct has an ingestion endpoint of its own.
resource rule 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: 'belay'
  location: location
  kind: 'Direct'
  properties: {
    streamDeclarations: {
      'Custom-Belay_CL': {
        columns: columns
      }
    }
    destinations: {
      logAnalytics: [
        { name: 'workspace', workspaceResourceId: logs.id }
      ]
    }
    dataFlows: [
      {
        streams: ['Custom-Belay_CL']
        destinations: ['workspace']
        transformKql: 'source'
        outputStream: 'Custom-Belay_CL'
      }
    ]
  }
  dependsOn: [table]
}

// Monitoring Metrics Publisher, on this rule only.
var publisher = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '3913510d-42f4-4e42-8a64-420c390055eb')

resource send 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(rule.id, principal, publisher)
  scope: rule
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: publisher
  }
}

output endpoint string = rule.properties.endpoints.logsIngestion
output rule string = rule.properties.immutableId
