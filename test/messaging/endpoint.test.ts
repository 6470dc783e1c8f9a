import { describeModel } from './endpoint-model.js';
import { describeEndpoint } from './endpoint-suite.js';
import { PORTS, RINGS } from './pairs.js';

for (const transport of [RINGS, PORTS]) {
  describeEndpoint(transport);
  describeModel(transport);
}
