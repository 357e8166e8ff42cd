// A file share for the one key file that the replicas share. Key Vault wraps the file, so that
// whoever has the account's key has nothing. The database is never on a share.

param name string
param location string
param setUpFrom string
param subnet string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: '${replace(name, '-', '')}${uniqueString(resourceGroup().id)}'
  location: location
  kind: 'StorageV2'
  sku: { name: 'Standard_ZRS' }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowBlobPublicAccess: false
    // Container Apps mounts a share with the account's key.
    allowSharedKeyAccess: true
    networkAcls: {
      bypass: 'None'
      defaultAction: 'Deny'
      virtualNetworkRules: [
        { id: subnet }
      ]
      ipRules: setUpFrom == '' ? [] : [
        { value: setUpFrom }
      ]
    }
  }
}

resource files 'Microsoft.Storage/storageAccounts/fileServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    shareDeleteRetentionPolicy: {
      enabled: true
      days: 90
    }
  }
}

resource share 'Microsoft.Storage/storageAccounts/fileServices/shares@2023-05-01' = {
  parent: files
  name: 'keys'
  properties: {
    shareQuota: 1
    enabledProtocols: 'SMB'
  }
}

output account string = account.name
output share string = share.name
