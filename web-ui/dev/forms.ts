/** Kinds of stores for the device in memory: every kind of field occurs. The real ones come from the daemon. */
import type { StoreType } from '../src/api/types.ts';

export const storeTypes: StoreType[] = [
  {
    key: 'azure',
    label: 'Azure page blobs',
    about: 'A storage account at Microsoft Azure.',
    place_label: 'Container',
    place_field: 'container',
    formats: ['raw', 'vhd'],
    snapshots: true,
    form: {
      ways: [
        {
          key: 'connection_string',
          label: 'Connection string',
          fields: [
            {
              key: 'connection_string',
              label: 'Connection string',
              help: 'In the portal: storage account, access keys.',
              kind: { type: 'secret', max_length: 2048 },
              required: true,
              advanced: false,
              example: 'DefaultEndpointsProtocol=https;AccountName=…',
            },
          ],
        },
        {
          key: 'key',
          label: 'Account and key',
          fields: [
            {
              key: 'account',
              label: 'Account',
              kind: { type: 'text', max_length: 24 },
              required: true,
              advanced: false,
              example: 'mystorage',
            },
            { key: 'key', label: 'Key', kind: { type: 'secret', max_length: 128 }, required: true, advanced: false },
          ],
        },
        {
          key: 'sas',
          label: 'SAS URL',
          fields: [
            {
              key: 'sas',
              label: 'SAS URL',
              kind: { type: 'secret', max_length: 2048 },
              required: true,
              advanced: false,
            },
          ],
        },
      ],
      common: [
        {
          key: 'container',
          label: 'Container',
          kind: { type: 'text', max_length: 63 },
          required: true,
          advanced: false,
        },
        {
          key: 'endpoint',
          label: 'Endpoint',
          help: 'Only for private clouds.',
          kind: { type: 'text', max_length: 256 },
          required: false,
          advanced: true,
        },
        {
          key: 'connections',
          label: 'Connections',
          kind: { type: 'number', min: 1, max: 64 },
          required: false,
          advanced: true,
          default: '16',
        },
        {
          key: 'tier',
          label: 'Tier',
          kind: {
            type: 'choice',
            choices: [
              { key: 'standard', label: 'Standard' },
              { key: 'premium', label: 'Premium' },
            ],
          },
          required: false,
          advanced: true,
          default: 'standard',
        },
        {
          key: 'verify',
          label: 'Check what was written',
          kind: { type: 'toggle' },
          required: false,
          advanced: true,
          default: 'false',
        },
      ],
    },
  },
  {
    key: 'rbd',
    label: 'Ceph RBD',
    about: 'A Ceph cluster of your own.',
    place_label: 'Pool',
    place_field: 'pool',
    formats: ['raw'],
    snapshots: true,
    form: {
      ways: [
        {
          key: 'files',
          label: 'Configuration files',
          fields: [
            {
              key: 'conf',
              label: 'ceph.conf',
              kind: { type: 'long_text', max_length: 65536, accept: ['.conf'] },
              required: true,
              advanced: false,
            },
            {
              key: 'keyring',
              label: 'Keyring',
              kind: { type: 'long_secret', max_length: 8192, accept: ['.keyring'] },
              required: true,
              advanced: false,
            },
          ],
        },
      ],
      common: [
        { key: 'pool', label: 'Pool', kind: { type: 'text', max_length: 128 }, required: true, advanced: false },
      ],
    },
  },
  {
    key: 'file',
    label: 'This device',
    about: 'A file on its card.',
    formats: ['raw'],
    snapshots: false,
    form: {
      ways: [
        {
          key: 'folder',
          label: 'Folder',
          fields: [
            {
              key: 'path',
              label: 'Folder',
              kind: { type: 'text', max_length: 256 },
              required: true,
              advanced: false,
              default: '/data/images',
            },
          ],
        },
      ],
      common: [],
    },
  },
  {
    key: 's3',
    label: 'S3 bucket',
    about: 'Objects at Amazon or elsewhere.',
    place_label: 'Bucket',
    place_field: 'bucket',
    formats: ['raw'],
    snapshots: false,
    form: { ways: [], common: [] },
    unavailable: { code: 'unsupported', detail: 'this image was built without S3' },
  },
];
