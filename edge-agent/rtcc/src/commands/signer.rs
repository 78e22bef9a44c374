//! Keys and certificates that sign, and the commands of persons.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use edge_protocol::batch::CONTRACT_VERSION;
use edge_protocol::command::{Challenge, Command, MAX_COMMAND_LIFE, Operation, Role};
use edge_protocol::id::{AgencyId, CommandId, PersonId, RequestId, UnitId};
use edge_protocol::model_set::ModelSet;
use edge_protocol::record::Word;
use edge_protocol::sign::{Chain, SigningKey, Subject};
use edge_protocol::time::WallTime;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

/// Somebody who can sign.
#[derive(Debug)]
pub(super) struct Signer {
    key: SigningKey,
    chain: Chain,
    agency: AgencyId,
    person: PersonId,
    role: Role,
}

/// What is asked and why: the same in every command of one request.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) unit: &'a UnitId,
    pub(super) request: RequestId,
    pub(super) operation: &'a Operation,
    pub(super) purpose: &'a Word,
    pub(super) case: &'a Word,
}

impl Signer {
    /// Reads key and certificate.
    pub(super) fn open(key: &Path, certificate: &Path) -> anyhow::Result<Self> {
        let (key, chain) = pair(key, certificate)?;
        let Subject::Person(agency, person, role) = chain.subject().context("your certificate")? else {
            bail!("{} is a unit's certificate: commands are signed by persons", certificate.display());
        };
        Ok(Self { key, chain, agency, person, role })
    }

    /// Signs a set of models; the head of its file.
    pub(super) fn sign_models(&self, set: &ModelSet) -> anyhow::Result<Vec<u8>> {
        ensure!(
            self.role == Role::PolicyAdmin,
            "sets of models are signed by a policy-admin, not by a {}",
            self.role.as_str()
        );
        set.head(&self.key, &self.chain).context("cannot sign: does the key belong to the certificate?")
    }

    /// In which role the signer signs.
    pub(super) const fn role(&self) -> Role {
        self.role
    }

    /// Whose units the signer speaks to.
    pub(super) const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// Signs a fresh command for the unit's present challenge.
    pub(super) fn sign(&self, question: &Question<'_>, challenge: Challenge, now: WallTime) -> anyhow::Result<Vec<u8>> {
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).context("no random number")?;
        let command = Command {
            version: CONTRACT_VERSION,
            id: CommandId::from_bytes(id),
            request: question.request,
            agency: self.agency.clone(),
            unit: question.unit.clone(),
            issuer: self.person.clone(),
            role: self.role,
            operation: question.operation.clone(),
            purpose: question.purpose.clone(),
            case: question.case.clone(),
            policy: None,
            issued: now,
            expires: now.saturating_add(MAX_COMMAND_LIFE),
            challenge,
        };
        command.seal(&self.key, &self.chain).context("cannot sign: does the key belong to the certificate?")
    }
}

/// Reads a private key and the certificates it signs with, whoever they are for.
pub(super) fn pair(key: &Path, certificate: &Path) -> anyhow::Result<(SigningKey, Chain)> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let (key_pem, chain_pem) = (read(key)?, read(certificate)?);
    let is_key = |pem: &[u8]| PrivateKeyDer::from_pem_slice(pem).is_ok();
    ensure!(
        is_key(&key_pem) || !is_key(&chain_pem),
        "--key and --cert are exchanged: {} is the private key",
        certificate.display()
    );
    let chain = Chain::from_pem(&chain_pem).context("your certificate")?;
    Ok((SigningKey::from_pem(&key_pem).context("your key")?, chain))
}

#[cfg(test)]
mod tests {
    use rtcc::clock::wall_us;
    use rtcc::pki::{Authority, Subject};

    use super::*;

    #[test]
    fn key_and_certificate_that_are_exchanged_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::create(folder.path(), &"metro".parse().unwrap(), wall_us()).unwrap();
        let ada = Subject::Person("ada".parse().unwrap(), Role::Investigator);
        let issued = authority.issue(&ada, wall_us()).unwrap();
        Signer::open(&issued.key, &issued.certificate).unwrap();
        let words = Signer::open(&issued.certificate, &issued.key).unwrap_err().to_string();
        assert!(words.contains("exchanged"), "{words}");
    }
}
