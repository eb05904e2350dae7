import { createRoot } from 'react-dom/client';

import { Bank } from './bank.jsx';
import { StepUpPanel, fetchWithPanel } from './panel.jsx';

const place = document.getElementById('app');

createRoot(place).render(
  place.dataset.panel === 'own' ? (
    <>
      <Bank fetch={fetchWithPanel} />
      <StepUpPanel />
    </>
  ) : (
    <Bank />
  ),
);
